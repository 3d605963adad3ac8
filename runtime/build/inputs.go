package build

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
)

// inputs is what a target is made of beside its own files, as it is now.
type inputs struct {
	materials  []model.Material // parents and outside bases, sorted by name
	contexts   []buildkit.Context
	parents    []source
	generation int // the highest of the parents, 0 without any
	unlocked   int // how many outside bases are not part of the key
}

// source is one image in a registry.
type source struct {
	model.Material
	repo string
}

func (s source) ref() string { return s.repo + "@" + s.Digest.String() }

// MissingParent is a parent that has not been built yet.
type MissingParent struct {
	Target model.TargetID
	Parent string // "image:tag linux/amd64"
	Ref    string // where it was looked for
}

// Error says what to do first.
func (m *MissingParent) Error() string {
	return fmt.Sprintf("building %s: its parent %s is not in the registry (%s)\nhint: build it first: rootfsrun build %s", m.Target, m.Parent, m.Ref, strings.Fields(m.Parent)[0])
}

// parentName is how a receipt names a parent: by its node, with the platform
// where that is not the target's.
func parentName(p model.Parent) string {
	id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant}
	if p.Platform == (model.Platform{}) {
		return id.Node()
	}
	return id.Node() + " " + p.Platform.String()
}

// resolve finds every parent and base of e.
func (j *job) resolve(ctx context.Context, e *model.Entry) (inputs, error) {
	parents := make([]source, len(e.Parents))
	generations := make([]int, len(e.Parents))
	bases := make([]model.Digest, len(e.Recipe.Contexts))
	g, gctx := errgroup.WithContext(ctx)
	for i, p := range e.Parents {
		g.Go(func() error {
			c, err := j.look.find(gctx, p.Repository, p.Key, p.Generation)
			if err != nil {
				return err
			}
			id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: cmp.Or(p.Platform, e.Platform)}
			if !c.Found || c.Generation < p.Generation {
				return &MissingParent{Target: e.ID(), Parent: id.String(), Ref: j.plan.Prefix + "/" + p.Repository + ":" + model.ContentTag(p.Key, p.Generation)}
			}
			if err := j.checkVouched(gctx, e, p, id, c); err != nil {
				return err
			}
			if j.Tested {
				if err := j.checkTested(gctx, e, p, id, c.Digest); err != nil {
					return err
				}
			}
			parents[i] = source{Material: model.Material{Name: parentName(p), Digest: c.Digest}, repo: c.repo}
			generations[i] = c.Generation
			return nil
		})
	}
	for i, c := range e.Recipe.Contexts {
		g.Go(func() (err error) {
			bases[i], err = j.base(gctx, e, c)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return inputs{}, err
	}
	in := inputs{parents: parents, generation: slices.Max(append(generations, 0))}
	for _, p := range parents {
		in.materials = append(in.materials, p.Material)
	}
	return in, in.bind(e, bases)
}

// bind makes the builder's contexts of parents and bases.
func (in *inputs) bind(e *model.Entry, bases []model.Digest) error {
	for i, c := range e.Recipe.Contexts {
		if c.Folder != "" {
			continue // files, which the key holds
		}
		if c.Parent == "" {
			if c.Source == "" {
				in.unlocked++
			}
			in.materials = append(in.materials, model.Material{Name: c.Ref, Digest: bases[i]})
			in.contexts = append(in.contexts, buildkit.Context{Ref: c.Ref, Source: repository(c) + "@" + bases[i].String()})
			continue
		}
		name := c.Parent
		if c.Platform != (model.Platform{}) {
			name += " " + c.Platform.String()
		}
		at := slices.IndexFunc(in.parents, func(s source) bool { return s.Name == name })
		if at < 0 {
			return fmt.Errorf("building %s: the plan names no parent %s for %s", e.ID(), name, c.Ref)
		}
		in.contexts = append(in.contexts, buildkit.Context{Ref: c.Ref, Source: in.parents[at].ref()})
	}
	slices.SortFunc(in.materials, func(a, b model.Material) int {
		return cmp.Or(strings.Compare(a.Name, b.Name), strings.Compare(a.Digest.String(), b.Digest.String()))
	})
	in.materials = slices.Compact(in.materials)
	return nil
}

// base is the digest of an outside base: the locked one, else what the
// reference stands for now.
func (j *job) base(ctx context.Context, e *model.Entry, c model.NamedContext) (model.Digest, error) {
	if c.Parent != "" || c.Folder != "" {
		return "", nil
	}
	if c.Source != "" {
		_, digest, _ := strings.Cut(c.Source, "@")
		return model.ParseDigest(digest)
	}
	if _, digest, found := strings.Cut(reference(named(c)), "@"); found {
		return model.ParseDigest(digest)
	}
	client, err := j.BuildKit(ctx)
	if err != nil {
		return "", err
	}
	d, err := client.Resolve(ctx, reference(named(c)), e.Platform)
	if err != nil {
		return "", err
	}
	j.Log.Warn(reference(named(c))+" is not in images.lock: taking what it stands for now; 'rootfsgen lock' writes it down", "target", e.ID(), "digest", d.Short())
	return d, nil
}

// named is what a context's image is called: the image's own named context
// gives another name to a reference.
func named(c model.NamedContext) string { return cmp.Or(c.Image, c.Ref) }

// reference is what the builder's name for an image means: the name without
// the platform that may stand behind it, and without the host that keeps it
// from being taken for a stage.
func reference(ref string) string {
	ref, _, _ = strings.Cut(ref, "::")
	return strings.TrimPrefix(ref, model.AliasHost)
}

// repository is the part of an outside base before its digest or tag.
func repository(c model.NamedContext) string {
	name, _, _ := strings.Cut(reference(cmp.Or(c.Source, named(c))), "@")
	if colon := strings.LastIndexByte(name, ':'); colon > strings.LastIndexByte(name, '/') {
		name = name[:colon]
	}
	return name
}
