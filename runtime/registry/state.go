package registry

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// inParallel bounds how many requests State has under way.
const inParallel = 16

// State asks what a plan needs to know. It needs at most as many requests of a
// repository as its list of tags has pages, and at most as many as keys are
// asked about, where the registry lists tags in lexical order, as it should;
// see seeker. Any failure is an error, never "absent".
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
	keys = slices.Compact(slices.Sorted(slices.Values(keys)))
	tags, whole, err := c.seek(ctx, repo, keys)
	if err != nil {
		return model.RepositoryState{}, err
	}
	records := read(tags, keys)
	state := model.RepositoryState{Contents: map[model.Digest]model.Content{}}
	for _, key := range keys {
		content, found, err := c.content(ctx, repo, key, records[key], whole)
		if err != nil {
			return model.RepositoryState{}, err
		}
		if found {
			state.Contents[key] = content
		}
	}
	return state, nil
}

// record is what the tags of a repository say about one key.
type record struct {
	tagged int                 // the highest generation that has a content tag, -1 for none
	states []model.ParsedState // of the highest generation whose build has finished
}

// read takes from tags what they say about the keys.
func read(tags []string, keys []model.Digest) map[model.Digest]*record {
	records := make(map[model.Digest]*record, len(keys))
	for _, key := range keys {
		records[key] = &record{tagged: -1}
	}
	all := map[model.Digest][]model.ParsedState{}
	for _, tag := range tags {
		if key, generation, ok := model.ParseContentTag(tag); ok {
			if r := records[key]; r != nil {
				r.tagged = max(r.tagged, generation)
			}
		} else if s, ok := model.ParseStateTag(tag); ok && records[s.Key] != nil {
			all[s.Key] = append(all[s.Key], s)
		}
	}
	for key, states := range all {
		newest := -1
		for _, s := range states {
			if s.Of(model.StepBuild) {
				newest = max(newest, s.Generation)
			}
		}
		for _, s := range states {
			if s.Generation == newest {
				records[key].states = append(records[key].states, s)
			}
		}
	}
	return records
}

// content is what there is under one key. whole tells that every content tag
// of the repository was read, so that one that is not there is not there: a
// state tag without it is of content that somebody has removed, and a content
// tag without state tags is of a build that did not finish its records.
func (c *Client) content(ctx context.Context, repo string, key model.Digest, r *record, whole bool) (model.Content, bool, error) {
	built := -1
	if len(r.states) > 0 {
		built = r.states[0].Generation
	}
	if whole && built != r.tagged {
		return model.Content{Generation: r.tagged}, r.tagged >= 0, nil
	}
	if built < 0 {
		return model.Content{}, false, nil
	}
	out := model.Content{Generation: built}
	digests := map[model.Digest]bool{}
	for _, s := range r.states {
		if s.Of(model.StepBuild) {
			digests[s.Digest] = true
			out.Digest = s.Digest
		}
	}
	if len(digests) > 1 {
		// Two builds wrote the content tag at the same moment; it stands for
		// the one of them that wrote last.
		d, found, err := c.Resolve(ctx, repo, model.ContentTag(key, built))
		if err != nil || !found {
			return model.Content{}, false, err
		}
		out.Digest = d.Digest
	}
	for _, s := range r.states {
		if !s.Of(model.StepBuild) && (s.Digest == out.Digest || s.Of(model.StepMerge)) {
			out.Done = append(out.Done, s.Mark)
		}
	}
	slices.Sort(out.Done)
	out.Done = slices.Compact(out.Done)
	return out, true, nil
}

// PutState says in the repository that a step is finished: the manifest at a
// tag or digest gets the state tag too, so that the tag goes when the manifest
// is deleted. It must be written after everything that it speaks of.
func (c *Client) PutState(ctx context.Context, repo string, s model.StateTag, at string) error {
	tag := s.String()
	if tag == "" {
		return fmt.Errorf("writing the state of a step in %s: %+v is not valid", repo, s)
	}
	_, found, err := c.Resolve(ctx, repo, tag)
	if err != nil || found { // whoever wrote it wrote the same
		return err
	}
	raw, d, err := c.Manifest(ctx, repo, at)
	if err != nil {
		return err
	}
	_, err = c.PutManifest(ctx, repo, raw, d.MediaType, tag)
	if refusedTag(err) { // a registry with immutable tags, and another job was first
		_, found, again := c.Resolve(ctx, repo, tag)
		if again == nil && found {
			return nil
		}
	}
	return err
}
