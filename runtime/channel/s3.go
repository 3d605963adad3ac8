package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"

	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
)

// s3 is a bucket of Amazon S3, or of any server that speaks its protocol and
// honours If-Match and If-None-Match.
type s3 struct {
	client *minio.Client
	bucket string
}

// The metadata of an object, as the protocol capitalises it.
const (
	metaLink = "Rootfsgen-Version"
	metaBy   = "Rootfsgen-Writer"
)

// newS3 reads the variables that the programs of AWS read: AWS_REGION,
// AWS_ENDPOINT_URL_S3 and AWS_ENDPOINT_URL, and for credentials
// AWS_ACCESS_KEY_ID and its companions, the file of AWS_SHARED_CREDENTIALS_FILE
// and AWS_PROFILE, a web identity, a container or the machine.
func newS3(bucket string, o Options) (*s3, error) {
	endpoint := first(o.Getenv, "AWS_ENDPOINT_URL_S3", "AWS_ENDPOINT_URL")
	options := &minio.Options{
		Secure: true, Region: first(o.Getenv, "AWS_REGION", "AWS_DEFAULT_REGION"), MaxRetries: 1,
		Creds: credentials.NewChainCredentials([]credentials.Provider{
			environment{o.Getenv}, &credentials.FileAWSCredentials{}, &credentials.IAM{},
		}),
	}
	host := "s3.amazonaws.com"
	if endpoint != "" {
		u, err := url.Parse(endpoint)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" || u.Path != "" && u.Path != "/" {
			return nil, errors.New("AWS_ENDPOINT_URL is no address such as https://s3.example.com")
		}
		host, options.Secure = u.Host, u.Scheme == "https"
		options.BucketLookup = minio.BucketLookupPath
		if options.Region == "" {
			options.Region = "us-east-1" // what such servers mean where nothing is said
		}
	}
	client, err := minio.New(host, options)
	if err != nil {
		return nil, fmt.Errorf("opening s3://%s: %w", bucket, err)
	}
	return &s3{client: client, bucket: bucket}, nil
}

// environment are the credentials of an environment that is given.
type environment struct{ getenv func(string) string }

// Retrieve implements credentials.Provider.
func (e environment) Retrieve() (credentials.Value, error) {
	id, secret := e.getenv("AWS_ACCESS_KEY_ID"), e.getenv("AWS_SECRET_ACCESS_KEY")
	if id == "" || secret == "" {
		return credentials.Value{SignerType: credentials.SignatureAnonymous}, nil
	}
	return credentials.Value{
		AccessKeyID: id, SecretAccessKey: secret, SessionToken: e.getenv("AWS_SESSION_TOKEN"), SignerType: credentials.SignatureV4,
	}, nil
}

// RetrieveWithCredContext implements credentials.Provider.
func (e environment) RetrieveWithCredContext(*credentials.CredContext) (credentials.Value, error) {
	return e.Retrieve()
}

// IsExpired implements credentials.Provider.
func (environment) IsExpired() bool { return false }

func first(getenv func(string) string, names ...string) string {
	for _, n := range names {
		if v := getenv(n); v != "" {
			return v
		}
	}
	return ""
}

func (s *s3) get(ctx context.Context, key string) (*object, error) {
	r, err := s.client.GetObject(ctx, s.bucket, key, minio.GetObjectOptions{})
	if err != nil {
		return nil, s.failure(err)
	}
	defer r.Close()
	body, err := io.ReadAll(io.LimitReader(r, maxObject+1))
	if minio.ToErrorResponse(err).Code == "NoSuchKey" {
		return nil, nil
	}
	if err != nil {
		return nil, s.failure(err)
	}
	if len(body) > maxObject {
		return nil, fmt.Errorf("it is larger than %d bytes", maxObject)
	}
	info, err := r.Stat() // of the answer that was read
	if err != nil {
		return nil, s.failure(err)
	}
	return &object{body: body, tag: info.ETag, link: info.UserMetadata[metaLink], by: info.UserMetadata[metaBy]}, nil
}

func (s *s3) put(ctx context.Context, key string, o object) error {
	options := minio.PutObjectOptions{ContentType: "application/json", CacheControl: "no-cache", DisableMultipart: true}
	if o.by != "" {
		options.UserMetadata = map[string]string{metaLink: o.link, metaBy: o.by}
	}
	if o.tag == "" {
		options.SetMatchETagExcept("*")
	} else {
		options.SetMatchETag(o.tag)
	}
	_, err := s.client.PutObject(ctx, s.bucket, key, bytes.NewReader(o.body), int64(len(o.body)), options)
	switch code := minio.ToErrorResponse(err); {
	case err == nil:
		return nil
	case code.StatusCode == http.StatusPreconditionFailed, code.Code == "PreconditionFailed",
		o.tag != "" && code.Code == "NoSuchKey": // somebody has removed it
		return ErrConflict
	case code.Code == "ConditionalRequestConflict": // two writes at the same moment: S3 asks to try again
		return fmt.Errorf("%w: %w", errTemporary, err)
	}
	return s.failure(err)
}

func (s *s3) list(ctx context.Context, prefix string) ([]string, error) {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel() // ends the lister where an error does
	var keys []string
	for o := range s.client.ListObjects(ctx, s.bucket, minio.ListObjectsOptions{Prefix: prefix, Recursive: true}) {
		if o.Err != nil {
			return nil, s.failure(o.Err)
		}
		keys = append(keys, o.Key)
	}
	return keys, nil
}

// failure tells what may pass from what will not.
func (s *s3) failure(err error) error {
	if err == nil {
		return nil
	}
	code := minio.ToErrorResponse(err)
	switch {
	case code.Code == "NoSuchBucket":
		return fmt.Errorf("there is no bucket %s", s.bucket)
	case code.StatusCode == 0, code.StatusCode >= 500, code.StatusCode == http.StatusTooManyRequests, code.StatusCode == http.StatusRequestTimeout:
		return fmt.Errorf("%w: %w", errTemporary, err)
	case code.StatusCode == http.StatusForbidden || code.StatusCode == http.StatusUnauthorized:
		return fmt.Errorf("%w\nhint: credentials are read from AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, AWS_PROFILE, a web identity or the machine", err)
	}
	return err
}
