package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"google.golang.org/api/googleapi"
	"google.golang.org/api/option"
	storage "google.golang.org/api/storage/v1"
)

// google is a bucket of Google Cloud Storage. An object's tag is its
// generation.
type google struct {
	service *storage.Service
	bucket  string
}

// newGoogle reads STORAGE_EMULATOR_HOST, as Google's own clients do: the
// address of a server that needs no login.
func newGoogle(bucket string, o Options) (*google, error) {
	options := []option.ClientOption{option.WithHTTPClient(&http.Client{Transport: bearer{login: o.Google, inner: http.DefaultTransport}})}
	if at := o.Getenv("STORAGE_EMULATOR_HOST"); at != "" {
		if !strings.Contains(at, "://") {
			at = "http://" + at
		}
		options = []option.ClientOption{option.WithEndpoint(strings.TrimSuffix(at, "/") + "/storage/v1/"), option.WithHTTPClient(&http.Client{})}
	}
	service, err := storage.NewService(context.Background(), options...)
	if err != nil {
		return nil, fmt.Errorf("opening gs://%s: %w", bucket, err)
	}
	return &google{service: service, bucket: bucket}, nil
}

// bearer logs in to every request.
type bearer struct {
	login Login
	inner http.RoundTripper
}

// errNoLogin is a machine without a login of Google's.
var errNoLogin = errors.New("this machine has no login of Google's\nhint: \"gcloud auth application-default login\", GOOGLE_APPLICATION_CREDENTIALS, or identity: in rootfsgen.yaml")

// RoundTrip implements http.RoundTripper.
func (b bearer) RoundTrip(r *http.Request) (*http.Response, error) {
	if b.login == nil {
		return nil, errNoLogin
	}
	_, token, found, err := b.login.Login(r.Context())
	if err != nil {
		return nil, err
	}
	if !found {
		return nil, errNoLogin
	}
	r = r.Clone(r.Context())
	r.Header.Set("Authorization", "Bearer "+token)
	return b.inner.RoundTrip(r)
}

func (g *google) get(ctx context.Context, key string) (*object, error) {
	at, err := g.service.Objects.Get(g.bucket, key).Context(ctx).Fields("generation", "metadata").Do()
	if absent(err) {
		return nil, nil
	}
	if err != nil {
		return nil, g.failure(err)
	}
	// The bytes of just this generation: another may be there by now, and then
	// this one is gone where the bucket keeps none.
	resp, err := g.service.Objects.Get(g.bucket, key).Context(ctx).Generation(at.Generation).Download()
	if absent(err) {
		return nil, fmt.Errorf("%w: it was replaced while it was read", errTemporary)
	}
	if err != nil {
		return nil, g.failure(err)
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxObject+1))
	if err != nil {
		return nil, fmt.Errorf("%w: %w", errTemporary, err)
	}
	if len(body) > maxObject {
		return nil, fmt.Errorf("it is larger than %d bytes", maxObject)
	}
	return &object{
		body: body, tag: strconv.FormatInt(at.Generation, 10),
		link: at.Metadata[strings.ToLower(metaLink)], by: at.Metadata[strings.ToLower(metaBy)],
	}, nil
}

func (g *google) put(ctx context.Context, key string, o object) error {
	var generation int64 // 0: there is none
	if o.tag != "" {
		var err error
		if generation, err = strconv.ParseInt(o.tag, 10, 64); err != nil || generation <= 0 {
			return fmt.Errorf("invalid generation %q", o.tag)
		}
	}
	what := &storage.Object{Name: key, ContentType: "application/json", CacheControl: "no-cache"}
	if o.by != "" {
		what.Metadata = map[string]string{strings.ToLower(metaLink): o.link, strings.ToLower(metaBy): o.by}
	}
	_, err := g.service.Objects.Insert(g.bucket, what).Context(ctx).IfGenerationMatch(generation).
		Media(bytes.NewReader(o.body), googleapi.ContentType("application/json"), googleapi.ChunkSize(0)).Do()
	if e, is := errors.AsType[*googleapi.Error](err); is && e.Code == http.StatusPreconditionFailed {
		return ErrConflict
	}
	return g.failure(err)
}

func (g *google) list(ctx context.Context, prefix string) ([]string, error) {
	var keys []string
	err := g.service.Objects.List(g.bucket).Prefix(prefix).Fields("items/name", "nextPageToken").Pages(ctx, func(page *storage.Objects) error {
		for _, o := range page.Items {
			keys = append(keys, o.Name)
		}
		return nil
	})
	return keys, g.failure(err)
}

// absent tells an object that is not there from a bucket that is not there.
func absent(err error) bool {
	e, is := errors.AsType[*googleapi.Error](err)
	return is && e.Code == http.StatusNotFound && !strings.Contains(e.Error(), "bucket does not exist")
}

// failure tells what may pass from what will not.
func (g *google) failure(err error) error {
	if err == nil || errors.Is(err, errNoLogin) {
		return err
	}
	e, is := errors.AsType[*googleapi.Error](err)
	switch {
	case !is: // no answer
		return fmt.Errorf("%w: %w", errTemporary, err)
	case e.Code >= 500, e.Code == http.StatusTooManyRequests, e.Code == http.StatusRequestTimeout:
		return fmt.Errorf("%w: %w", errTemporary, err)
	case e.Code == http.StatusNotFound:
		return fmt.Errorf("there is no bucket %s", g.bucket)
	}
	return err
}
