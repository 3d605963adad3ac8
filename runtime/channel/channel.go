// Package channel keeps the documents that say what each channel holds now.
// A document is replaced in one step, and only by a writer who has seen what
// it replaces, so two writers at once lose nothing and a crash leaves the old
// one.
package channel

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"regexp"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
)

// The documents, by the names that their readers know.
const (
	Testing = "manifest.testing.json"
	Prod    = "manifest.json"
)

// ErrConflict is a document that is no longer what its writer has seen.
var ErrConflict = errors.New("the document was changed meanwhile")

// Store holds documents by name. Implementations are safe for use by several
// processes at once.
type Store interface {
	// Read returns a document and its version. A document that was never
	// written is nil, with an empty version.
	Read(ctx context.Context, name string) (doc []byte, version string, err error)
	// Write replaces the document whose version is old, the empty version for
	// one that was never written; ErrConflict when it is another by now.
	Write(ctx context.Context, name string, doc []byte, old string) error
	// Versions are all that a document has ever been, the newest first; none
	// for one that was never written.
	Versions(ctx context.Context, name string) ([]Version, error)
	// ReadVersion returns a document as it was; the error wraps ErrNoVersion
	// where there is no such version.
	ReadVersion(ctx context.Context, name, id string) ([]byte, error)
	// String says where the documents are, for people.
	String() string
}

// Version is what a document was at a time.
type Version struct {
	ID   string    `json:"id"`   // a commit for a branch, else a number that counts up
	Time time.Time `json:"time"` // when it was written, UTC, in whole seconds
}

// ErrNoVersion is a version that a document never had.
var ErrNoVersion = errors.New("no such version")

// DefaultBranch is where the git store keeps its documents.
const DefaultBranch = "rootfsgen/channels"

// Options is what Open may need.
type Options struct {
	Dir   string   // the repository
	Env   []string // for git, "NAME=value": an ssh agent, for example
	Token string   // for pushing over HTTP; empty: git's own credentials
	User  string   // that goes with Token, empty is "x-access-token"
	Now   func() time.Time

	// Getenv reads settings of S3 and of Google Cloud Storage; nil is no
	// variables. Google logs in to the latter.
	Getenv func(name string) string
	Google Login
}

// Login gives a password that is good for some minutes at least; false where
// the machine has none.
type Login interface {
	Login(ctx context.Context) (user, password string, found bool, err error)
}

// Open reads a store's name: "file:FOLDER" (relative to the repository),
// "git", "git:BRANCH", "s3://BUCKET/PREFIX" or "gs://BUCKET/PREFIX". It
// connects to nothing.
func Open(spec string, o Options) (Store, error) {
	if o.Getenv == nil {
		o.Getenv = func(string) string { return "" }
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	kind, rest, _ := strings.Cut(spec, ":")
	switch {
	case kind == "s3" || kind == "gs":
		return openBucket(kind, rest, o)
	case kind == "file" && rest != "":
		if !filepath.IsAbs(rest) {
			rest = filepath.Join(o.Dir, rest)
		}
		return &File{Dir: rest, Now: o.Now}, nil
	case kind == "git":
		branch := rest
		if branch == "" {
			branch = DefaultBranch
		}
		if err := checkBranch(branch); err != nil {
			return nil, err
		}
		return newGit(o, branch), nil
	}
	return nil, fmt.Errorf("unknown store %q: expected git, git:BRANCH, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:FOLDER", spec)
}

// writeTries bounds how often Update meets another writer.
const writeTries = 20

// Update replaces a document by what f makes of it, and calls f again with
// what is there when another writer was faster. f gets nil for a document that
// was never written, and returns nil to leave it as it is. Whether the document
// was written is returned.
func Update(ctx context.Context, s Store, name string, f func(old []byte) ([]byte, error)) (bool, error) {
	for n := range writeTries {
		old, version, err := s.Read(ctx, name)
		if err != nil {
			return false, err
		}
		doc, err := f(old)
		if err != nil || doc == nil {
			return false, err
		}
		err = s.Write(ctx, name, doc, version)
		if err == nil {
			return true, nil
		}
		if !errors.Is(err, ErrConflict) {
			return false, err
		}
		if err := gitremote.Pause(ctx, 2*time.Millisecond<<min(n, 7)); err != nil {
			return false, err
		}
	}
	return false, &gitremote.Unavailable{Doing: "writing " + name, Err: fmt.Errorf("%w, %d times", ErrConflict, writeTries)}
}

var documentName = regexp.MustCompile(`^[a-z0-9]+(?:[._-][a-z0-9]+)*\.json$`)

// checkName keeps a document's name from leaving its folder.
func checkName(name string) error {
	if !documentName.MatchString(name) {
		return fmt.Errorf("invalid document name %q", name)
	}
	return nil
}

var branchName = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_-]*(?:[./][A-Za-z0-9_-]+)*$`)

func checkBranch(s string) error {
	if len(s) > 200 || !branchName.MatchString(s) || strings.HasSuffix(s, ".lock") {
		return fmt.Errorf("invalid branch %q", s)
	}
	return nil
}

// versionOf is a document's version: its content.
func versionOf(doc []byte) string {
	if doc == nil {
		return ""
	}
	return model.DigestOf(doc).String()
}
