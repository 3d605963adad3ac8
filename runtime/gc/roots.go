package gc

import (
	"context"
	"fmt"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// History is all that the channels' documents have ever been; a channel.Store
// is one.
type History interface {
	Versions(ctx context.Context, name string) ([]channel.Version, error)
	ReadVersion(ctx context.Context, name, id string) ([]byte, error)
}

// Published are the digests that the channels name, in the newest versions of
// each document, 0 is all of them. A version that cannot be read is an error:
// what it names must stay. repositories are those that the documents name,
// below a registry's prefix.
func Published(ctx context.Context, h History, newest int) (digests map[model.Digest]string, repositories []string, err error) {
	digests = map[model.Digest]string{}
	seen := map[string]bool{}
	for _, name := range []string{channel.Prod, channel.Testing} {
		versions, err := h.Versions(ctx, name)
		if err != nil {
			return nil, nil, fmt.Errorf("reading the versions of %s: %w", name, err)
		}
		if newest > 0 && len(versions) > newest {
			versions = versions[:newest]
		}
		for _, v := range versions {
			b, err := h.ReadVersion(ctx, name, v.ID)
			if err != nil {
				return nil, nil, err
			}
			d, err := manifest.Decode(b)
			if err != nil {
				return nil, nil, fmt.Errorf("reading %s as of %s: %w", name, v.ID, err)
			}
			why := fmt.Sprintf("%s of %s names it", name, v.Time.UTC().Format(time.RFC3339))
			for _, i := range d.Images {
				note(digests, model.Digest(i.Digest), why)
				for _, p := range i.Platforms {
					note(digests, p, why)
				}
				if i.Repository != "" && !seen[i.Repository] {
					seen[i.Repository] = true
					repositories = append(repositories, i.Repository)
				}
			}
		}
	}
	return digests, repositories, nil
}

// note remembers the newest reason.
func note(digests map[model.Digest]string, d model.Digest, why string) {
	if d != "" && digests[d] == "" {
		digests[d] = why
	}
}

// Planned adds what a plan is about: its targets, whether they are built yet or
// not, in every generation.
func (r *Roots) Planned(p *model.Plan) {
	if r.Keys == nil {
		r.Keys, r.Identities = map[model.Digest]bool{}, map[model.Digest]bool{}
	}
	for n := range p.Entries {
		if e := &p.Entries[n]; e.Action != model.ActionRetire {
			r.Keys[e.Key] = true
		}
		for _, parent := range p.Entries[n].Parents {
			r.Keys[parent.Key] = true
		}
	}
	for n := range p.Indexes {
		if id := p.Indexes[n].Identity; id != "" {
			r.Identities[id] = true
		}
	}
}
