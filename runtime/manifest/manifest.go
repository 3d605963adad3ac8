package manifest

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"sync"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Step writes the testing channel's document.
type Step struct {
	Registry *registry.Client
	Store    channel.Store
	Order    Order            // of commits; nil compares nothing
	Source   string           // empty is DefaultSource
	Now      func() time.Time // nil is the clock
}

// Result is what the document holds now.
type Result struct {
	Document *Document
	Written  bool
	Note     string // why it was not written, where that is not plain
}

// inParallel bounds how many images are looked up at once.
const inParallel = 8

// Run brings the document up to date with what the registry has for a plan. An
// image whose newest state has not passed keeps its entry, marked as stale; one
// that is no longer in the fleet leaves; one that was never built is not
// listed. A document of a newer commit is left alone.
func (s Step) Run(ctx context.Context, p *model.Plan) (Result, error) {
	if p.Scope != model.ScopeTesting {
		return Result{}, fmt.Errorf("writing %s: the plan is of the scope %q, and only %s has this document", channel.Testing, p.Scope, model.ScopeTesting)
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	passed, err := s.passed(ctx, p)
	if err != nil {
		return Result{}, err
	}
	var out Result
	out.Written, err = channel.Update(ctx, s.Store, channel.Testing, func(b []byte) ([]byte, error) {
		old, err := decodeOld(b)
		if err != nil {
			return nil, err
		}
		out.Document, out.Note = old, ""
		if err := MayReplace(ctx, s.Order, channel.Testing, p.To.Commit, old); err != nil {
			return nil, err
		}
		next := s.compose(p, old, passed)
		if next.Same(old) {
			return nil, nil
		}
		out.Document = next
		return next.Encode()
	})
	if newer, ok := errors.AsType[*Superseded](err); ok {
		out.Note, err = newer.Error(), nil
	}
	return out, err
}

// View is the document that a plan alone would make, whatever the channel
// holds, and the images of the plan that are not in it because not every step
// has passed.
func (s Step) View(ctx context.Context, p *model.Plan) (d *Document, missing []string, err error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	passed, err := s.passed(ctx, p)
	if err != nil {
		return nil, nil, err
	}
	d = s.compose(p, nil, passed)
	id := identifiers(p)
	for n := range p.Indexes {
		if name := id(node(&p.Indexes[n])); !slices.ContainsFunc(d.Images, func(i Image) bool { return i.ID == name }) {
			missing = append(missing, name)
		}
	}
	return d, missing, nil
}

func decodeOld(b []byte) (*Document, error) {
	if b == nil {
		return nil, nil
	}
	d, err := Decode(b)
	if err != nil {
		return nil, fmt.Errorf("reading %s: %w", channel.Testing, err)
	}
	return d, nil
}

// passed finds the indexes of a plan that are merged in their current state,
// by node.
func (s Step) passed(ctx context.Context, p *model.Plan) (map[string]model.Receipt, error) {
	out := map[string]model.Receipt{}
	var mu sync.Mutex
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n := range p.Indexes {
		i := &p.Indexes[n]
		g.Go(func() error {
			r, found, err := index.Merged(ctx, s.Registry, p, i)
			if err != nil || !found {
				return err
			}
			mu.Lock()
			defer mu.Unlock()
			out[node(i)] = r
			return nil
		})
	}
	return out, g.Wait()
}

func (s Step) compose(p *model.Plan, old *Document, passed map[string]model.Receipt) *Document {
	now := s.Now().UTC().Format(time.RFC3339)
	d := &Document{Version: Version, GeneratedAt: now, Source: s.Source, Commit: p.To.Commit, Images: []Image{}}
	if d.Source == "" {
		d.Source = DefaultSource
	}
	id := identifiers(p)
	for n := range p.Indexes {
		i := &p.Indexes[n]
		before, listed := old.Find(id(node(i)))
		r, fresh := passed[node(i)]
		switch {
		case fresh:
			e := entry(p, i, r)
			e.ID = id(node(i))
			d.Images = append(d.Images, e)
		case listed && before.Digest != "":
			if before.StaleSince == "" {
				before.StaleSince = now
			}
			before.Untested = i.Action == model.StepUntested
			d.Images = append(d.Images, before)
		case i.Meta.Image != "": // a fixed reference stands in until there is an own one
			e := described(i)
			e.ID, e.Image, e.Untested = id(node(i)), i.Meta.Image, i.Action == model.StepUntested
			d.Images = append(d.Images, e)
		}
	}
	for _, out := range p.LeftOut {
		if before, listed := old.Find(id(out)); listed {
			d.Images = append(d.Images, before)
		}
	}
	d.sort()
	return d
}

// identifiers names an image by its id alone where it has one tag and variant,
// and in full where it has several.
func identifiers(p *model.Plan) func(node string) string {
	count := map[string]int{}
	image := func(node string) string { name, _, _ := strings.Cut(node, ":"); return name }
	for n := range p.Indexes {
		count[p.Indexes[n].Image]++
	}
	for _, node := range p.LeftOut {
		count[image(node)]++
	}
	return func(node string) string {
		if count[image(node)] > 1 {
			return node
		}
		return image(node)
	}
}

func node(i *model.Index) string {
	return model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}.Node()
}

// described is an entry with what people wrote about the image.
func described(i *model.Index) Image {
	m := i.Meta
	return Image{
		Label: m.Label, Description: m.Description, GPU: m.GPU, Priority: m.Priority,
		Tags: append([]string{}, m.Tags...), Prepull: m.Prepull, Arch: append([]string{}, m.Arch...),
		ComponentVersion: m.ComponentVersion, SizeGB: m.SizeGB, Deprecated: m.Deprecated, DeprecatedReason: m.DeprecatedReason,
	}
}

func entry(p *model.Plan, i *model.Index, r model.Receipt) Image {
	e := described(i)
	e.Image = p.Prefix + "/" + i.Repository + ":" + r.VersionTag
	e.Digest, e.Repository, e.VersionTag, e.UpdatedAt = Digest(r.Digest), i.Repository, r.VersionTag, r.UpdatedAt
	e.Platforms = map[string]model.Digest{}
	for _, in := range r.Inputs {
		if slices.ContainsFunc(i.Platforms, func(p model.Platform) bool { return p.String() == in.Name }) {
			e.Platforms[in.Name] = in.Digest
		}
	}
	return e
}
