package registry

import (
	"context"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// inParallel bounds how many requests State has under way.
const inParallel = 16

// State asks what a plan needs to know: one tag list for each repository, and
// one look at each content tag of the keys in question. Any failure is an
// error, never "absent".
func (c *Client) State(ctx context.Context, q model.RegistryQuery) (model.RegistryState, error) {
	if q.Bootstrap && !c.o.Bootstrap {
		o := c.o
		o.Bootstrap = true
		return New(o).State(ctx, q)
	}
	s := model.RegistryState{Known: true, Repositories: map[string]model.RepositoryState{}}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	var mu sync.Mutex
	ask := func(prefix string, into map[string]model.RepositoryState) {
		for _, repo := range slices.Sorted(maps.Keys(q.Keys)) {
			g.Go(func() error {
				state, err := c.repositoryState(ctx, prefix+"/"+repo, q.Keys[repo])
				if err != nil {
					return err
				}
				mu.Lock()
				defer mu.Unlock()
				into[repo] = state
				return nil
			})
		}
	}
	ask(q.Prefix, s.Repositories)
	if q.ReadPrefix != "" {
		s.Read = map[string]model.RepositoryState{}
		ask(q.ReadPrefix, s.Read)
	}
	if err := g.Wait(); err != nil {
		return model.RegistryState{}, err
	}
	return s, nil
}

func (c *Client) repositoryState(ctx context.Context, repo string, keys []model.Digest) (model.RepositoryState, error) {
	tags, err := c.Tags(ctx, repo)
	if err != nil {
		return model.RepositoryState{}, err
	}
	state := model.RepositoryState{Tags: tags, Contents: map[model.Digest]model.Content{}}
	for key, generation := range highest(tags, keys) {
		d, found, err := c.Resolve(ctx, repo, model.ContentTag(key, generation))
		if err != nil {
			return model.RepositoryState{}, err
		}
		if found { // it may have been deleted since the list was read
			state.Contents[key] = model.Content{Generation: generation, Digest: d.Digest}
		}
	}
	return state, nil
}

// highest is the highest generation that has a tag, for each key that has one.
func highest(tags []string, keys []model.Digest) map[model.Digest]int {
	out := map[model.Digest]int{}
	for _, tag := range tags {
		key, generation, ok := model.ParseContentTag(tag)
		if ok && slices.Contains(keys, key) {
			out[key] = max(out[key], generation)
		}
	}
	return out
}
