// Package gc finds what no longer counts in an image repository, and deletes
// it when it is told to. What counts is what can be reached from the channels'
// documents, all of their kept versions, and from the plan of today: an index,
// its platforms, what they were built on, and everything that is said about
// them. What this program does not understand is never deleted, and neither is
// what that refers to.
package gc

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Registry is what is read; *registry.Client is one.
type Registry interface {
	Tags(ctx context.Context, repo string) ([]string, error)
	Resolve(ctx context.Context, repo, ref string) (registry.Descriptor, bool, error)
	Manifest(ctx context.Context, repo, ref string) ([]byte, registry.Descriptor, error)
	Receipt(ctx context.Context, repo, tag string) (model.Receipt, bool, error)
	Artifacts(ctx context.Context, repo string, subject model.Digest, artifactType string) ([]registry.Found, error)
}

// Stored is a manifest that a repository holds.
type Stored struct {
	Digest   model.Digest
	Tags     []string
	Uploaded time.Time // zero where the registry does not tell

	pushed bool // since the repository was looked at
}

// Storage lists and deletes. Tagged is that of every registry; a registry that
// tells more has one of its own.
type Storage interface {
	// List is every manifest that can be listed; a registry may know only those
	// that have a tag.
	List(ctx context.Context, repo string) ([]Stored, error)
	// Delete removes a manifest with its tags; one that is not there is no
	// error.
	Delete(ctx context.Context, repo string, digest model.Digest) error
}

// Roots are what must stay, and what is built on it.
type Roots struct {
	Digests    map[model.Digest]string // why each of them counts: "manifest.json of 2026-11-21"
	Keys       map[model.Digest]bool   // of the targets of today's plan
	Identities map[model.Digest]bool   // of its indexes
}

// Step collects.
type Step struct {
	Registry Registry
	Storage  Storage
	// Roots is asked before anything is looked at, and again before anything is
	// deleted in a repository.
	Roots func(ctx context.Context) (Roots, error)
	Grace time.Duration    // what is younger stays; so does what does not tell its age, unless this is 0
	Log   *slog.Logger     // nil: nothing is logged
	Now   func() time.Time // nil is the clock
}

// Request says what is collected.
type Request struct {
	Repositories []string // whole addresses
	// Snapshot is the request that has closed, "pr-123": what it published, and
	// what a merge train tried with it, is deleted, and nothing else but Queues.
	// Empty collects everything that does not count.
	Snapshot string
	// Queues is how old the snapshot of a merge queue's run or of a merge train
	// must be to be deleted, too, as nothing says when those close; 0 leaves
	// them.
	Queues time.Duration
	Delete bool // false only says what would be deleted
}

// Report is what was found, and done.
type Report struct {
	Version      int          `json:"version"`
	Deleted      bool         `json:"deleted"` // false: nothing was, this is what would be
	Repositories []Repository `json:"repositories"`
}

// Repository is one repository of a report.
type Repository struct {
	Repository string   `json:"repository"`
	Kept       int      `json:"kept"`
	Items      []Item   `json:"items"`             // what does not count, in the order of deletion
	Foreign    []string `json:"foreign,omitempty"` // tags that are not ours, and that keep what they stand for
	Untouched  string   `json:"untouched,omitempty"`
}

// Item is one manifest that does not count.
type Item struct {
	Digest  model.Digest `json:"digest"`
	Kind    string       `json:"kind"` // one of the Kind constants
	Tags    []string     `json:"tags"`
	Age     string       `json:"age,omitempty"` // RFC 3339, UTC: since when it is there, where that is known
	Deleted bool         `json:"deleted"`
	Note    string       `json:"note,omitempty"` // why it was not deleted after all
}

// The kinds of manifests.
const (
	KindIndex    = "index"
	KindImage    = "image"    // of one platform
	KindReceipt  = "receipt"  // of a step
	KindArtifact = "artifact" // a document about another manifest
	KindList     = "list"     // of artifacts, for registries that do not list them
)

// Count is how many items there are, and how many of them were deleted.
func (r *Report) Count() (items, deleted int) {
	for _, repo := range r.Repositories {
		items += len(repo.Items)
		for _, i := range repo.Items {
			if i.Deleted {
				deleted++
			}
		}
	}
	return items, deleted
}

// Run looks at the repositories and deletes, if it is asked to. It may be
// called again after it was interrupted, and while others push.
func (s Step) Run(ctx context.Context, r Request) (*Report, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if r.Snapshot != "" {
		if err := model.CheckSnapshotID(r.Snapshot); err != nil {
			return nil, err
		}
	}
	roots, err := s.Roots(ctx)
	if err != nil {
		return nil, fmt.Errorf("reading what counts: %w", err)
	}
	repos := slices.Compact(slices.Sorted(slices.Values(r.Repositories)))
	g, err := s.look(ctx, repos)
	if err != nil {
		return nil, err
	}
	over := closed{r.Snapshot, r.Queues}
	g.mark(roots, over)
	out := &Report{Version: 1, Deleted: r.Delete, Repositories: []Repository{}}
	for _, repo := range repos {
		one := g.report(repo)
		if r.Delete && len(one.Items) > 0 {
			err = s.clean(ctx, g, &one, over)
		}
		out.Repositories = append(out.Repositories, one)
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// clean deletes the items of one repository, each of them only while it still
// does not count.
func (s Step) clean(ctx context.Context, g *graph, r *Repository, over closed) error {
	roots, err := s.Roots(ctx)
	if err != nil {
		return fmt.Errorf("reading what counts: %w", err)
	}
	g.mark(roots, over)
	for n := range r.Items {
		i := &r.Items[n]
		grown, err := s.grown(ctx, g, r.Repository)
		if err != nil {
			return err
		}
		if grown {
			g.mark(roots, over)
		}
		if x := g.find(r.Repository, i.Digest); x == nil || x.kept != "" {
			i.Note = "it counts by now"
			continue
		}
		if err := s.delete(ctx, g, r.Repository, i); err != nil {
			return err
		}
	}
	return nil
}

// delete removes one manifest, and before it what only it can be asked about:
// when the manifest is gone nobody finds these any more.
func (s Step) delete(ctx context.Context, g *graph, repo string, i *Item) error {
	if i.Kind != KindReceipt {
		if err := s.deleteAbout(ctx, g, repo, i.Digest, 0); err != nil {
			return err
		}
	}
	if err := s.Storage.Delete(ctx, repo, i.Digest); err != nil {
		return err
	}
	i.Deleted = true
	s.Log.Info(fmt.Sprintf("deleted %s@%s, %s", repo, i.Digest, i.Kind))
	return nil
}

// deepest bounds how often something is said about what is said about
// something.
const deepest = 8

func (s Step) deleteAbout(ctx context.Context, g *graph, repo string, digest model.Digest, depth int) error {
	found, err := s.Registry.Artifacts(ctx, repo, digest, "")
	if err != nil || depth == deepest {
		return err
	}
	for _, f := range found {
		if x := g.find(repo, f.Digest); x != nil && x.kept != "" || f.Type == registry.ReceiptArtifactType {
			continue // receipts have tags, and come last: they say how old the others are
		}
		if err := s.deleteAbout(ctx, g, repo, f.Digest, depth+1); err != nil {
			return err
		}
		if err := s.Storage.Delete(ctx, repo, f.Digest); err != nil {
			return err
		}
	}
	return nil
}

// Tagged is the storage of any registry: what has a tag, and what those refer
// to.
type Tagged struct {
	Registry interface {
		Registry
		Delete(ctx context.Context, repo string, digest model.Digest) error
	}
}

// List implements Storage.
func (t Tagged) List(ctx context.Context, repo string) ([]Stored, error) {
	tags, err := t.Registry.Tags(ctx, repo)
	if err != nil {
		return nil, err
	}
	digests := make([]model.Digest, len(tags))
	err = inParallel(ctx, len(tags), func(ctx context.Context, n int) error {
		d, found, err := t.Registry.Resolve(ctx, repo, tags[n])
		if found {
			digests[n] = d.Digest
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	all := map[model.Digest]*Stored{}
	for n, d := range digests {
		if d == "" {
			continue
		}
		if all[d] == nil {
			all[d] = &Stored{Digest: d}
		}
		all[d].Tags = append(all[d].Tags, tags[n])
	}
	out := make([]Stored, 0, len(all))
	for _, x := range all {
		out = append(out, *x)
	}
	slices.SortFunc(out, func(a, b Stored) int { return cmp.Compare(a.Digest, b.Digest) })
	return out, nil
}

// Delete implements Storage.
func (t Tagged) Delete(ctx context.Context, repo string, digest model.Digest) error {
	return t.Registry.Delete(ctx, repo, digest)
}

// absent tells that somebody else deleted it meanwhile.
func absent(err error) bool { return errors.Is(err, registry.ErrAbsent) }
