// Package promote moves images from the testing channel to prod: only those
// that the registry itself proves to be built, tested and merged, by digest,
// and all that were asked for or none.
package promote

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
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
}

// Result is what the prod channel holds now.
type Result struct {
	Document *manifest.Document
	Written  bool
	Promoted []manifest.Image // what was asked for, as it is in the document
}

// Refused is a promotion of something that is not proven. Nothing was written.
type Refused struct {
	Missing []string // "python: linux/arm64: there is no receipt of a passed test"
}

// Error lists what is missing, a line each.
func (r *Refused) Error() string {
	return "nothing is promoted:\n  " + strings.Join(r.Missing, "\n  ")
}

// ExitCode is that of a refusing gate.
func (r *Refused) ExitCode() int { return 5 }

// inParallel bounds how many images are read or copied at once.
const inParallel = 4

// Run promotes the images with the given ids, all of them where none are
// given. They are taken from source, or from the testing channel where that is
// nil. A whole promotion makes prod what source is: what source lacks leaves.
// Doing it again changes nothing.
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
	images, err := s.verifyAll(ctx, chosen)
	if err != nil {
		return Result{}, err
	}
	if err := s.copyAll(ctx, images); err != nil {
		return Result{}, err
	}
	entries := make([]manifest.Image, len(chosen))
	for n, e := range chosen {
		entries[n] = s.promoted(e, images[n])
	}
	return s.write(ctx, source, entries, len(ids) == 0)
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

// verifyAll checks every image before anything is written. The result is nil
// for a fixed reference, which is nobody's to prove.
func (s Step) verifyAll(ctx context.Context, images []manifest.Image) ([]*verified, error) {
	out := make([]*verified, len(images))
	refused := make([][]string, len(images))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n, e := range images {
		if e.Digest == "" {
			continue
		}
		g.Go(func() error {
			v, missing, err := s.verify(ctx, e)
			if err != nil {
				return err
			}
			if len(missing) == 0 {
				missing, err = s.free(ctx, v)
			}
			out[n], refused[n] = v, missing
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	if missing := slices.Concat(refused...); len(missing) > 0 {
		return nil, &Refused{Missing: missing}
	}
	return out, nil
}

// free checks that prod has nothing else under the image's version.
func (s Step) free(ctx context.Context, v *verified) ([]string, error) {
	if s.Prod == "" {
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

// copy brings one image to prod with everything that speaks for it. The merge
// receipt comes last: where it is, all the rest is.
func (s Step) copy(ctx context.Context, v *verified) error {
	target, digest := s.target(v.entry), model.Digest(v.entry.Digest)
	last := model.ReceiptTag(v.merge.Step, v.merge.StepKey)
	if r, found, err := s.Registry.Receipt(ctx, target, last); err != nil {
		return err
	} else if found && r.Digest == digest && r.VersionTag == v.merge.VersionTag {
		return nil
	}
	if err := s.Registry.Copy(ctx, v.repo, target, digest); err != nil {
		return err
	}
	tags := map[string]model.Digest{v.entry.VersionTag: digest, model.IdentityTag(v.merge.Key): digest}
	for _, c := range v.children {
		if c.key.Valid() {
			tags[model.ContentTag(c.key, v.merge.Generation)] = c.digest
		}
		tags[v.entry.VersionTag+"-"+c.platform.Dashed()] = c.digest
	}
	g, gctx := errgroup.WithContext(ctx)
	for tag, d := range tags {
		g.Go(func() error {
			winner, err := s.Registry.TagOnce(gctx, target, d, tag)
			if err == nil && winner != d && tag == v.entry.VersionTag {
				err = fmt.Errorf("promoting %s: %s:%s was taken by %s meanwhile", v.entry.ID, target, tag, winner.Short())
			}
			return err
		})
	}
	for _, r := range v.receipts {
		g.Go(func() error { return s.Registry.PutReceipt(gctx, target, r) })
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return s.Registry.PutReceipt(ctx, target, v.merge)
}

// promoted is an entry as prod has it.
func (s Step) promoted(e manifest.Image, v *verified) manifest.Image {
	e.StaleSince, e.Untested = "", false // prod holds what was chosen, not what is newest
	if v != nil && s.Prod != "" {
		e.Image = s.target(e) + ":" + e.VersionTag
	}
	return e
}

func (s Step) write(ctx context.Context, source *manifest.Document, entries []manifest.Image, whole bool) (Result, error) {
	out := Result{Promoted: entries}
	var err error
	out.Written, err = channel.Update(ctx, s.Store, channel.Prod, func(b []byte) ([]byte, error) {
		var old *manifest.Document
		if b != nil {
			if old, err = manifest.Decode(b); err != nil {
				return nil, fmt.Errorf("reading %s: %w", channel.Prod, err)
			}
		}
		out.Document = old
		next := &manifest.Document{Version: manifest.Version, GeneratedAt: s.Now().UTC().Format(time.RFC3339), Source: source.Source, Commit: source.Commit}
		switch {
		case whole:
			if err := manifest.MayReplace(ctx, s.Order, channel.Prod, source.Commit, old); err != nil {
				return nil, err
			}
		case old != nil:
			next.Commit = old.Commit
			next.Images = without(old.Images, entries)
		}
		next.Images = append(next.Images, entries...)
		if next.Same(old) {
			return nil, nil
		}
		out.Document = next
		return next.Encode()
	})
	if _, ok := errors.AsType[*manifest.Superseded](err); ok {
		err = fmt.Errorf("promoting commit %.12s: %w", source.Commit, err)
	}
	return out, err
}

// without is images less those that entries replace.
func without(images, entries []manifest.Image) []manifest.Image {
	return slices.DeleteFunc(slices.Clone(images), func(i manifest.Image) bool {
		return slices.ContainsFunc(entries, func(e manifest.Image) bool { return e.ID == i.ID })
	})
}
