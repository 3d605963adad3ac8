// Package promote moves images from the testing channel to prod: only those
// that the registry itself proves to be built, tested and merged, by digest,
// and all that were asked for or none.
package promote

import (
	"context"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Step promotes.
type Step struct {
	Registry *registry.Client
	Store    channel.Store
	Testing  string           // registry prefix that the images must lie below; empty is any
	Prod     string           // registry prefix that they are copied below; empty: they stay where they are
	Order    manifest.Order   // of commits; nil compares nothing
	Now      func() time.Time // nil is the clock

	Fleet *model.Fleet // as it is checked out; nil knows no parents of images and no fixed references

	Policy   model.Policy           // what is asked of findings; Mode off asks for nothing
	Scanner  Scanner                // of today's findings; needed unless Mode is off
	Also     []Ruling               // by which the images are judged, too; a refusal by any of them is one
	Own      func() []Evidence      // see Evidence; nil: what lies in testing is signed by those whom we trust, and believed
	Google   func(repo string) bool // whether Google scans what lies in a repository; nil is no
	Verifier Verifier               // nil: nothing is signed here, and no signature is asked for

	// Propose offers the document that is to replace the version old, instead of
	// writing it; the tags and records are left to Finish, once it is merged.
	Propose func(ctx context.Context, doc []byte, old string) error

	Actor, Job, Reason string // for the records: who, in which job, why
}

// Target is one platform of an image that is to be judged.
type Target struct {
	Repo   string // "host/path"
	ID     model.TargetID
	Digest model.Digest // of the platform's manifest
}

// Scanner says what today's scanners find in some targets. That a scan did not
// finish is a state of it; an error is cancellation.
type Scanner func(context.Context, []Target) ([]model.Scan, error)

// Ruling is another policy, which is not off, and what scanners find for it.
type Ruling struct {
	Name    string // whose it is, for people: "the policy of v1.2.0"
	Policy  model.Policy
	Scanner Scanner
}

// Evidence is a list of packages or a scan that Scanner has made by itself, out
// of an image's bytes, beside the image; or that lies in prod's registry since
// an earlier promotion made it. Where Step.Own tells of them nobody knows who
// wrote the others that lie in testing: Scanner does not read those, each
// platform must have a list of ours, and nothing else of the kind goes to prod.
type Evidence struct {
	Repo     string // of the image that it is about: several may have one digest
	Artifact model.Digest
	Receipt  model.Receipt // that makes it count
}

// Verifier says what is missing of the signatures and attestations of a digest,
// one clause each; an error is a registry that does not answer.
type Verifier interface {
	Verify(ctx context.Context, repo string, digest model.Digest) (missing []string, err error)
}

// Result is what the prod channel holds now.
type Result struct {
	Document *manifest.Document
	Written  bool
	Promoted []manifest.Image // what was asked for, as it is in the document
	Verdicts []model.Verdict  // by image and platform; none where nothing was judged
	Notes    []string         // what a person should know, one sentence each
}

// inParallel bounds how many images are read or copied at once.
const inParallel = 4

// Run promotes the images with the given ids, all of them where none are
// given. They are taken from source, or from the testing channel where that is
// nil. A whole promotion makes prod what source is: what source lacks leaves.
//
// What is written comes in such an order that whoever reads sees the old
// document or the new one, and the new one only with everything in place: the
// copies, the document, the floating tags, the records. Doing it again changes
// nothing, and finishes what a crash left.
func (s Step) Run(ctx context.Context, source *manifest.Document, ids []string) (Result, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if source == nil {
		var err error
		if source, err = s.testing(ctx); err != nil {
			return Result{}, err
		}
	}
	chosen, err := choose(source, ids)
	if err != nil {
		return Result{}, err
	}
	images, err := s.verifyAll(ctx, chosen, s.Testing)
	if err != nil {
		return Result{}, err
	}
	verdicts, err := s.judge(ctx, images)
	if err != nil {
		return Result{Verdicts: verdicts}, err
	}
	if err := s.copyAll(ctx, images); err != nil {
		return Result{}, err
	}
	entries := make([]manifest.Image, len(chosen))
	for n, e := range chosen {
		entries[n] = s.promoted(e, images[n])
	}
	out, before, err := s.write(ctx, source, images, entries, len(ids) == 0)
	out.Verdicts, out.Notes = verdicts, s.notes(chosen)
	if err != nil {
		return out, err
	}
	if s.Propose != nil {
		return out, nil
	}
	if err := s.float(ctx, out.Document, out.Promoted, nil); err != nil {
		return out, err
	}
	if err := s.stand(ctx, images); err != nil {
		return out, err
	}
	return out, s.record(ctx, images, before, source.Commit)
}

// notes say what was not asked.
func (s Step) notes(images []manifest.Image) []string {
	notes, _ := s.fixed(images)
	if s.Policy.Mode == model.EnforceOff {
		notes = append(notes, "enforcement is off in scan-policy.yaml: nothing was judged")
		if s.Own != nil && s.Prod != "" { // those in testing are nobody's, and none is made
			notes = append(notes, "no list of packages came along: enforcement is off, and without trust.builders nobody knows who wrote those in testing")
		}
	}
	if s.Verifier == nil {
		notes = append(notes, "nothing is signed here (sign: and trust: in rootfsgen.yaml): no signature was asked for")
	}
	return notes
}

func (s Step) testing(ctx context.Context) (*manifest.Document, error) {
	b, _, err := s.Store.Read(ctx, channel.Testing)
	if err != nil {
		return nil, err
	}
	if b == nil {
		return nil, fmt.Errorf("%s does not exist in %s; \"rootfsrun manifest\" writes it", channel.Testing, s.Store)
	}
	d, err := manifest.Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", channel.Testing, err)
	}
	return d, nil
}

// choose finds the images that were asked for.
func choose(d *manifest.Document, ids []string) ([]manifest.Image, error) {
	if len(ids) == 0 {
		return d.Images, nil
	}
	var out []manifest.Image
	var missing []string
	for _, id := range ids {
		if i, found := d.Find(id); found {
			out = append(out, i)
		} else {
			missing = append(missing, id+": it is not in the testing channel")
		}
	}
	if len(missing) > 0 {
		return nil, &Refused{Missing: missing}
	}
	return out, nil
}

// verifyAll checks every image, which must lie below a prefix (empty is any),
// before anything is written. The result is nil for a fixed reference, which is
// nobody's to prove.
func (s Step) verifyAll(ctx context.Context, images []manifest.Image, below string) ([]*verified, error) {
	out := make([]*verified, len(images))
	refused := make([][]string, len(images))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n, e := range images {
		if e.Digest == "" {
			continue
		}
		g.Go(func() error {
			v, missing, err := s.verify(gctx, e, below)
			if err != nil {
				return err
			}
			if len(missing) == 0 {
				missing, err = s.free(gctx, v)
			}
			out[n], refused[n] = v, missing
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	gone, err := s.withdrawn(ctx, out)
	if err != nil {
		return nil, err
	}
	_, undeclared := s.fixed(images)
	if missing := append(slices.Concat(append(refused, undeclared)...), s.accuse(ctx, out, gone)...); len(missing) > 0 {
		return nil, &Refused{Missing: missing}
	}
	return out, nil
}

// free checks that prod has nothing else under the image's version.
func (s Step) free(ctx context.Context, v *verified) ([]string, error) {
	if s.Prod == "" || v.repo == s.target(v.entry) {
		return nil, nil
	}
	d, found, err := s.Registry.Resolve(ctx, s.target(v.entry), v.entry.VersionTag)
	if err != nil || !found || d.Digest == model.Digest(v.entry.Digest) {
		return nil, err
	}
	return []string{fmt.Sprintf("%s: prod has another image under %s, %s", v.entry.ID, v.entry.VersionTag, d.Digest.Short())}, nil
}

func (s Step) target(e manifest.Image) string { return s.Prod + "/" + e.Repository }

func (s Step) copyAll(ctx context.Context, images []*verified) error {
	if s.Prod == "" {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for _, v := range images {
		if v != nil && v.repo != s.target(v.entry) {
			g.Go(func() error { return s.copy(ctx, v) })
		}
	}
	return g.Wait()
}

// promoted is an entry as prod has it.
func (s Step) promoted(e manifest.Image, v *verified) manifest.Image {
	e.StaleSince, e.Untested = "", false // prod holds what was chosen, not what is newest
	if v != nil && s.Prod != "" {
		e.Image = s.target(e) + ":" + e.VersionTag
	}
	return e
}
