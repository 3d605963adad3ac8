package ci

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// channel is one document of the branch rootfsgen/channels, as a consumer
// reads it from the forge.
type channel struct {
	Images []channelImage `json:"images"`
}

type channelImage struct {
	ID         string                  `json:"id"`
	Image      string                  `json:"image"` // reference by version tag
	Digest     model.Digest            `json:"digest"`
	Version    string                  `json:"version"`
	Platforms  map[string]model.Digest `json:"platforms"`
	StaleSince string                  `json:"stale_since"`
}

// channel reads a document; false when it does not exist.
func (f *fleet) channel(name string) (channel, bool) {
	f.t.Helper()
	if f.Git("ls-remote", "origin", "rootfsgen/channels") == "" {
		return channel{}, false
	}
	f.Git("fetch", "-q", "origin", "+rootfsgen/channels:refs/remotes/origin/rootfsgen/channels")
	if f.Git("ls-tree", "--name-only", "origin/rootfsgen/channels", name) == "" {
		return channel{}, false
	}
	text := f.Git("show", "origin/rootfsgen/channels:"+name)
	var c channel
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		f.t.Fatalf("reading %s: %v\n%s", name, err, text)
	}
	return c, true
}

// digests is a document as image id -> digest.
func (c channel) digests() map[string]model.Digest {
	m := map[string]model.Digest{}
	for _, i := range c.Images {
		m[i.ID] = i.Digest
	}
	return m
}

// published is what a repository below the fleet's prefix holds.
type published struct {
	versions  map[string]model.Digest                  // version tags of indexes -> digest
	contents  []string                                 // content tags, sorted
	platforms map[model.Digest]map[string]model.Digest // by index and platform
}

// read looks at one repository, scope and name together: "testing/app".
func (f *fleet) read(repo string) published {
	f.t.Helper()
	ctx, c := f.t.Context(), registry.New(registry.Options{})
	name := f.prefix + "/" + repo
	tags, err := c.Tags(ctx, name)
	if err != nil {
		f.t.Fatalf("listing the tags of %s: %v", name, err)
	}
	p := published{versions: map[string]model.Digest{}, platforms: map[model.Digest]map[string]model.Digest{}}
	for _, tag := range tags {
		if _, _, content := model.ParseContentTag(tag); content {
			p.contents = append(p.contents, tag)
			continue
		}
		if _, about := registry.ParseFallbackTag(tag); about {
			continue // a document about a manifest
		}
		if strings.HasPrefix(tag, "d-") || strings.HasPrefix(tag, "r-") || strings.HasPrefix(tag, "i-") || strings.Contains(tag, "-linux-") {
			continue
		}
		d, found, err := c.Resolve(ctx, name, tag)
		if err != nil || !found {
			f.t.Fatalf("resolving %s:%s: %v, %v", name, tag, found, err)
		}
		p.versions[tag] = d.Digest
		p.platforms[d.Digest] = f.platforms(ctx, c, name, d.Digest)
	}
	slices.Sort(p.contents)
	return p
}

// platforms reads an index, and makes sure that what it lists is there and
// says the same.
func (f *fleet) platforms(ctx context.Context, c *registry.Client, name string, digest model.Digest) map[string]model.Digest {
	f.t.Helper()
	raw, d, err := c.Manifest(ctx, name, digest.String())
	if err != nil || !d.IsIndex() {
		f.t.Fatalf("%s@%s is no index: %+v, %v", name, digest, d, err)
	}
	var index struct {
		Manifests []struct {
			Digest   model.Digest
			Platform struct{ OS, Architecture string }
		}
	}
	if err := json.Unmarshal(raw, &index); err != nil {
		f.t.Fatal(err)
	}
	all := map[string]model.Digest{}
	for _, m := range index.Manifests {
		config, err := c.Config(ctx, name, m.Digest)
		if err != nil {
			f.t.Fatalf("reading %s@%s: %v", name, m.Digest, err)
		}
		platform := m.Platform.OS + "/" + m.Platform.Architecture
		if got := config.OS + "/" + config.Architecture; got != platform {
			f.t.Errorf("%s: the index says %s, the image %s", name, platform, got)
		}
		all[platform] = m.Digest
	}
	return all
}
