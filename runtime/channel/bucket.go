package channel

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
)

// Bucket keeps documents as objects of a bucket, below a prefix, and every
// version of them below "versions/" there. It needs nothing of the bucket but
// that it honours a condition when an object is written; versions of the
// bucket's own are neither needed nor in the way.
type Bucket struct {
	objects objects
	prefix  string // empty, or ending in "/"
	where   string
	now     func() time.Time
}

var _ Store = (*Bucket)(nil)

// object is what a bucket has under a key.
type object struct {
	body []byte
	tag  string // that a condition names
	link string // of the version, empty where somebody else wrote the object
	by   string // who wrote it: a word that no other write has
}

// objects is a bucket as far as documents need one. Errors that wrap
// errTemporary are worth trying again.
type objects interface {
	// get returns nil for an object that is not there.
	get(ctx context.Context, key string) (*object, error)
	// put writes an object where that with o.tag is there, none for an empty
	// one; ErrConflict where it is another.
	put(ctx context.Context, key string, o object) error
	// list are the keys that begin with a prefix.
	list(ctx context.Context, prefix string) ([]string, error)
}

// errTemporary is a failure that may pass.
var errTemporary = errors.New("temporary")

var (
	bucketName   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)
	bucketPrefix = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.=-]*(?:/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*$`)
)

// openBucket reads "//BUCKET/PREFIX".
func openBucket(kind, rest string, o Options) (Store, error) {
	path, ok := strings.CutPrefix(rest, "//")
	bucket, prefix, _ := strings.Cut(path, "/")
	prefix = strings.TrimSuffix(prefix, "/")
	if !ok || !bucketName.MatchString(bucket) || prefix != "" && (len(prefix) > 400 || !bucketPrefix.MatchString(prefix)) {
		return nil, fmt.Errorf("invalid store %q: expected %s://BUCKET/PREFIX", kind+":"+rest, kind)
	}
	b := &Bucket{where: kind + "://" + bucket, now: o.Now}
	if prefix != "" {
		b.prefix, b.where = prefix+"/", b.where+"/"+prefix
	}
	var err error
	if kind == "s3" {
		b.objects, err = newS3(bucket, o)
	} else {
		b.objects, err = newGoogle(bucket, o)
	}
	return b, err
}

// String is the address.
func (b *Bucket) String() string { return b.where }

// A document's version is the tag of its object, and the link that the object
// names.
const versionSeparator = " "

// Read implements Store.
func (b *Bucket) Read(ctx context.Context, name string) ([]byte, string, error) {
	o, err := b.current(ctx, name)
	if err != nil || o == nil {
		return nil, "", err
	}
	return o.body, o.tag + versionSeparator + o.link, nil
}

func (b *Bucket) current(ctx context.Context, name string) (o *object, err error) {
	if err := checkName(name); err != nil {
		return nil, err
	}
	err = b.try(ctx, "reading "+name, func() error {
		o, err = b.objects.get(ctx, b.prefix+name)
		return err
	})
	return o, err
}

// Write implements Store. The version is written first, under a name of its
// own, and then the document, where it still is what the caller has seen.
func (b *Bucket) Write(ctx context.Context, name string, doc []byte, old string) error {
	if err := checkName(name); err != nil {
		return err
	}
	tag, at, _ := strings.Cut(old, versionSeparator)
	last, kept := parseLink(at)
	if tag != "" && !kept {
		var err error
		if last, err = b.adopt(ctx, name, tag); err != nil {
			return err
		}
	}
	next := last.after(doc, b.now())
	if err := b.keep(ctx, name, next, doc); err != nil {
		return err
	}
	return b.replace(ctx, name, object{body: doc, tag: tag, link: next.String(), by: rand.Text()})
}

// replace writes a document once. An answer may be lost with its connection,
// and a second try then meets the first: whose write was taken is read from the
// object.
func (b *Bucket) replace(ctx context.Context, name string, o object) error {
	doing := "writing " + name
	for n := 1; ; n++ {
		failure := b.objects.put(ctx, b.prefix+name, o)
		if failure == nil {
			return nil
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		}
		if !errors.Is(failure, ErrConflict) && !errors.Is(failure, errTemporary) {
			return fmt.Errorf("%s in %s: %w", doing, b, failure)
		}
		there, err := b.current(ctx, name)
		switch {
		case err != nil:
			return err
		case there != nil && there.by == o.by:
			return nil
		case errors.Is(failure, ErrConflict), there == nil && o.tag != "", there != nil && there.tag != o.tag:
			return ErrConflict
		case n == bucketTries:
			return &gitremote.Unavailable{Doing: doing + " in " + b.where, Err: failure}
		}
		if err := gitremote.Pause(ctx, bucketPause<<n); err != nil {
			return err
		}
	}
}

// adopt keeps the document of somebody who keeps no versions as one.
func (b *Bucket) adopt(ctx context.Context, name, tag string) (link, error) {
	o, err := b.current(ctx, name)
	if err != nil {
		return link{}, err
	}
	if o == nil || o.tag != tag {
		return link{}, ErrConflict
	}
	links, err := b.links(ctx, name)
	if err != nil {
		return link{}, err
	}
	l, kept := tip(links, o.body)
	if !kept {
		err = b.keep(ctx, name, l, o.body)
	}
	return l, err
}

func (b *Bucket) key(name string, l link) string {
	return b.versions(name) + l.String() + linkEnding
}

func (b *Bucket) versions(name string) string { return b.prefix + "versions/" + name + "/" }

// keep writes a version. One that is there already has the same content: its
// name says so.
func (b *Bucket) keep(ctx context.Context, name string, l link, doc []byte) error {
	err := b.try(ctx, "writing a version of "+name, func() error {
		return b.objects.put(ctx, b.key(name, l), object{body: doc})
	})
	if errors.Is(err, ErrConflict) {
		return nil
	}
	return err
}

func (b *Bucket) links(ctx context.Context, name string) (out []link, err error) {
	var keys []string
	err = b.try(ctx, "listing the versions of "+name, func() error {
		keys, err = b.objects.list(ctx, b.versions(name))
		return err
	})
	for _, k := range keys {
		if l, ok := parseLink(strings.TrimSuffix(strings.TrimPrefix(k, b.versions(name)), linkEnding)); ok {
			out = append(out, l)
		}
	}
	slices.SortFunc(out, newer)
	return out, err
}

func (b *Bucket) chained(ctx context.Context, name string) ([]link, *object, error) {
	o, err := b.current(ctx, name)
	if err != nil || o == nil {
		return nil, nil, err
	}
	links, err := b.links(ctx, name)
	if err != nil {
		return nil, nil, err
	}
	newest, ok := parseLink(o.link)
	if !ok {
		newest, _ = tip(links, o.body)
	}
	return chain(links, newest), o, nil
}

// Versions implements Store.
func (b *Bucket) Versions(ctx context.Context, name string) ([]Version, error) {
	links, _, err := b.chained(ctx, name)
	return versions(links), err
}

// ReadVersion implements Store.
func (b *Bucket) ReadVersion(ctx context.Context, name, id string) ([]byte, error) {
	links, now, err := b.chained(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := find(links, name, id)
	if err != nil {
		return nil, err
	}
	if l == links[0] {
		return now.body, nil
	}
	var o *object
	err = b.try(ctx, "reading a version of "+name, func() error {
		o, err = b.objects.get(ctx, b.key(name, l))
		return err
	})
	switch {
	case err != nil:
		return nil, err
	case o == nil || contentOf(o.body) != l.content:
		return nil, fmt.Errorf("reading %s as of %s: what lies in %s is another document", name, id, b.key(name, l))
	}
	return o.body, nil
}

// How often a call is tried, and the least pause between tries.
const (
	bucketTries = 5
	bucketPause = 100 * time.Millisecond
)

// try calls f again while it fails in a way that may pass.
func (b *Bucket) try(ctx context.Context, doing string, f func() error) error {
	for n := 1; ; n++ {
		err := f()
		switch {
		case err == nil || errors.Is(err, ErrConflict):
			return err
		case ctx.Err() != nil:
			return fmt.Errorf("%s: %w", doing, context.Cause(ctx))
		case !errors.Is(err, errTemporary):
			return fmt.Errorf("%s in %s: %w", doing, b, err)
		case n == bucketTries:
			return &gitremote.Unavailable{Doing: doing + " in " + b.where, Err: err}
		}
		if err := gitremote.Pause(ctx, bucketPause<<n); err != nil {
			return err
		}
	}
}

// maxObject bounds what is read of one document, in bytes.
const maxObject = 32 << 20
