package build

import (
	"bytes"
	"context"
	"fmt"
	"strings"
	"sync"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// look reads what the registry has: in the plan's own scope, and in the one
// that it may read. Tags of a repository are listed once.
type look struct {
	ctx      context.Context //nolint:containedctx // of the whole step: a list is shared by callers whose own ends with the first failure
	registry *registry.Client
	prefixes []string // the plan's own comes first
	mu       sync.Mutex
	lists    map[string]func() ([]string, error)
}

func newLook(ctx context.Context, c *registry.Client, p *model.Plan) *look {
	l := &look{ctx: ctx, registry: c, prefixes: []string{p.Prefix}, lists: map[string]func() ([]string, error){}}
	if p.ReadPrefix != "" && p.ReadPrefix != p.Prefix {
		l.prefixes = append(l.prefixes, p.ReadPrefix)
	}
	return l
}

// content is what a content tag stands for.
type content struct {
	Found      bool
	Generation int // -1 where nothing was found
	Digest     model.Digest
	repo       string // "host/path" that has it
}

func (l *look) tags(repo string) ([]string, error) {
	l.mu.Lock()
	list, found := l.lists[repo]
	if !found {
		list = sync.OnceValues(func() ([]string, error) { return l.registry.Tags(l.ctx, repo) })
		l.lists[repo] = list
	}
	l.mu.Unlock()
	return list()
}

// newest is the highest generation of a key among tags, -1 for none.
func newest(tags []string, key model.Digest) int {
	highest := -1
	for _, t := range tags {
		if k, g, ok := model.ParseContentTag(t); ok && k == key {
			highest = max(highest, g)
		}
	}
	return highest
}

// find is the newest content of a key; of two scopes with the same generation
// the plan's own. The tag that the plan expects is asked for while the tags
// are listed, because it is nearly always the one.
func (l *look) find(ctx context.Context, repository string, key model.Digest, expected int) (content, error) {
	found := make([]content, len(l.prefixes))
	g, ctx := errgroup.WithContext(ctx)
	for i, prefix := range l.prefixes {
		g.Go(func() (err error) {
			found[i], err = l.findIn(ctx, prefix+"/"+repository, key, expected)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return content{Generation: -1}, err
	}
	best := found[0]
	for _, c := range found[1:] {
		if c.Generation > best.Generation {
			best = c
		}
	}
	return best, nil
}

func (l *look) findIn(ctx context.Context, repo string, key model.Digest, expected int) (content, error) {
	var tags []string
	var d registry.Descriptor
	var there bool
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		tags, err = l.tags(repo)
		return err
	})
	g.Go(func() (err error) {
		d, there, err = l.registry.Resolve(gctx, repo, model.ContentTag(key, expected))
		return err
	})
	if err := g.Wait(); err != nil {
		return content{}, err
	}
	highest := newest(tags, key)
	if there && highest < expected {
		highest = expected // tagged after the list was made
	}
	if highest < 0 {
		return content{Generation: -1}, nil
	}
	if highest != expected || !there {
		var err error
		if d, there, err = l.registry.Resolve(ctx, repo, model.ContentTag(key, highest)); err != nil {
			return content{}, err
		}
	}
	if !there {
		return content{Generation: -1}, nil
	}
	return content{Found: true, Generation: highest, Digest: d.Digest, repo: repo}, nil
}

// highest is the highest generation that any of the entries has, in the
// repository that they share; -1 for none.
func (l *look) highest(repository string, entries []*model.Entry) (int, error) {
	highest := -1
	for _, prefix := range l.prefixes {
		tags, err := l.tags(prefix + "/" + repository)
		if err != nil {
			return 0, err
		}
		for _, e := range entries {
			highest = max(highest, newest(tags, e.Key))
		}
	}
	return highest, nil
}

// siblings are the other platforms of the same target.
func siblings(p *model.Plan, e *model.Entry) []*model.Entry {
	var out []*model.Entry
	for i := range p.Entries {
		o := &p.Entries[i]
		if o.ID().Node() == e.ID().Node() && o.Platform != e.Platform && o.Recipe != nil {
			out = append(out, o)
		}
	}
	return out
}

// imageSize is what fetching the image costs: its manifest, its configuration
// and its layers, in bytes.
func imageSize(ctx context.Context, c *registry.Client, repo string, digest model.Digest) (int64, error) {
	raw, d, err := c.Manifest(ctx, repo, digest.String())
	if err != nil {
		return 0, err
	}
	m, err := v1.ParseManifest(bytes.NewReader(raw))
	if err != nil {
		return 0, fmt.Errorf("reading manifest %s: %w", digest, err)
	}
	size := d.Size + m.Config.Size
	for _, layer := range m.Layers {
		size += layer.Size
	}
	return size, nil
}

// builtOn tells whether an image begins with the layers of another one.
func builtOn(ctx context.Context, c *registry.Client, repo string, image model.Digest, base source) (bool, error) {
	var child, parent *v1.ConfigFile
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		child, err = c.Config(ctx, repo, image)
		return err
	})
	g.Go(func() (err error) {
		parent, err = c.Config(ctx, base.repo, base.Digest)
		return err
	})
	if err := g.Wait(); err != nil {
		return false, err
	}
	below, above := layers(parent), layers(child)
	return below != "" && strings.HasPrefix(above, below), nil
}

func layers(c *v1.ConfigFile) string {
	var b strings.Builder
	for _, l := range c.RootFS.DiffIDs {
		b.WriteString(l.String() + "\n")
	}
	return b.String()
}
