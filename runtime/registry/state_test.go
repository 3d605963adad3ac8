package registry

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// named makes a digest of a name.
func named(format string, args ...any) model.Digest {
	return model.DigestOf(fmt.Appendf(nil, format, args...))
}

// finished are the tags of a target that was built and tested.
func finished(key model.Digest, generation int, manifest model.Digest) []string {
	s := model.StateTag{Key: key, Generation: generation, Step: model.StepBuild, Digest: manifest, StepKey: model.BuildStepKey(key, generation)}
	tests := model.TestStepKey(manifest, named("tests"))
	tested := s
	tested.Step, tested.StepKey = model.StepTest, tests
	return []string{
		model.ContentTag(key, generation), model.ReceiptTag(model.StepBuild, s.StepKey), s.String(),
		model.ReceiptTag(model.StepTest, tests), tested.String(),
	}
}

// contentOf is the content that finished makes.
func contentOf(generation int, manifest model.Digest) model.Content {
	tests := model.StateTag{Step: model.StepTest, StepKey: model.TestStepKey(manifest, named("tests"))}
	return model.Content{Generation: generation, Digest: manifest, Done: []string{tests.Mark()}}
}

func TestStateIsReadFromTags(t *testing.T) {
	t.Parallel()
	key, other := named("key"), named("other")
	first, second := named("first"), named("second")
	build := func(key model.Digest, generation int, manifest model.Digest) string {
		return model.StateTag{Key: key, Generation: generation, Step: model.StepBuild, Digest: manifest, StepKey: model.BuildStepKey(key, generation)}.String()
	}
	for name, c := range map[string]struct {
		tags []string
		want map[model.Digest]model.Content
	}{
		"finished":                   {finished(key, 0, first), map[model.Digest]model.Content{key: contentOf(0, first)}},
		"two generations":            {slices.Concat(finished(key, 0, first), finished(key, 11, second)), map[model.Digest]model.Content{key: contentOf(11, second)}},
		"two targets":                {slices.Concat(finished(key, 0, first), finished(other, 2, second)), map[model.Digest]model.Content{key: contentOf(0, first), other: contentOf(2, second)}},
		"not tested":                 {finished(key, 0, first)[:3], map[model.Digest]model.Content{key: {Digest: first}}},
		"without its state":          {finished(key, 1, first)[:2], map[model.Digest]model.Content{key: {Generation: 1}}},
		"next one's state not there": {slices.Concat(finished(key, 0, first), finished(key, 1, second)[:2]), map[model.Digest]model.Content{key: {Generation: 1}}},
		"content removed":            {finished(key, 0, first)[1:], nil},
		"newest content removed":     {slices.Concat(finished(key, 0, first), finished(key, 1, second)[1:]), map[model.Digest]model.Content{key: {Generation: 0}}},
		"tests of other bytes":       {slices.Concat(finished(key, 0, first)[:3], finished(key, 0, second)[4:]), map[model.Digest]model.Content{key: {Digest: first}}},
		"forged":                     {[]string{"d-", "d-latest", strings.ToUpper(build(key, 0, first)), build(key, 0, first)[:120], "k-" + key.Hex() + "-g0"}, nil},
		"a stranger's":               {[]string{"1.0", "Latest", "zzz", "d-z"}, nil},
		"nothing":                    {nil, nil},
	} {
		s := newTagServer(t, c.tags)
		got := s.state(t, key, other)
		if diff := cmp.Diff(c.want, got, equateEmpty); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
	}
}

// Two builds that raced have left a state each: what the content tag stands
// for is asked.
func TestStateOfARace(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo, key := s.Prefix("testing/python"), named("key")
	loser, winner := push(t, c, repo, 1), push(t, c, repo, 2)
	for _, d := range []model.Digest{loser, winner} {
		if err := c.MoveTag(t.Context(), repo, d, model.ContentTag(key, 0)); err != nil {
			t.Fatal(err)
		}
		state := model.StateTag{Key: key, Step: model.StepBuild, Digest: d, StepKey: model.BuildStepKey(key, 0)}
		for range 2 { // the second time it is there
			if err := c.PutState(t.Context(), repo, state, d.String()); err != nil {
				t.Fatal(err)
			}
		}
	}
	got, err := c.State(t.Context(), model.RegistryQuery{Prefix: s.Prefix("testing"), Keys: map[string][]model.Digest{"python": {key}}})
	if err != nil {
		t.Fatal(err)
	}
	want := map[model.Digest]model.Content{key: {Digest: winner}}
	if diff := cmp.Diff(want, got.Repositories["python"].Contents, equateEmpty); diff != "" {
		t.Error(diff)
	}
}

func TestPutState(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo, key := s.Prefix("testing/python"), named("key")
	d := push(t, c, repo, 1)
	state := model.StateTag{Key: key, Step: model.StepBuild, Digest: d, StepKey: model.BuildStepKey(key, 0)}
	if err := c.PutState(t.Context(), repo, model.StateTag{}, d.String()); err == nil {
		t.Error("a state of nothing was written")
	}
	if err := c.PutState(t.Context(), repo, state, "latest"); err == nil {
		t.Error("the state of a manifest that is not there was written")
	}
	s.Fail(registrytest.Fault{Method: "PUT", Path: "/manifests/d-", Status: 409, Late: true, Times: 1})
	if err := c.PutState(t.Context(), repo, state, d.String()); err != nil {
		t.Errorf("another job was first, and the tag is immutable: %v", err)
	}
	at, found, err := c.Resolve(t.Context(), repo, state.String())
	if err != nil || !found || at.Digest != d {
		t.Errorf("the tag stands for %v, %v, %v", at, found, err)
	}
}

func TestStateOfSeveralRepositories(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	keys, want := map[string][]model.Digest{}, map[string]model.RepositoryState{}
	for i := range 20 {
		repo := fmt.Sprintf("image%d", i)
		key := named("key of %s", repo)
		keys[repo] = []model.Digest{key}
		want[repo] = model.RepositoryState{Contents: map[model.Digest]model.Content{}}
		if i%2 == 1 {
			continue // missing
		}
		d := push(t, c, s.Prefix("testing/"+repo), int64(i))
		state := model.StateTag{Key: key, Step: model.StepBuild, Digest: d, StepKey: model.BuildStepKey(key, 0)}
		if err := c.PutState(t.Context(), s.Prefix("testing/"+repo), state, d.String()); err != nil {
			t.Fatal(err)
		}
		if err := c.MoveTag(t.Context(), s.Prefix("testing/"+repo), d, model.ContentTag(key, 0)); err != nil {
			t.Fatal(err)
		}
		want[repo].Contents[key] = model.Content{Digest: d}
	}
	s.Forget()
	got, err := c.State(t.Context(), model.RegistryQuery{Prefix: s.Prefix("testing"), ReadPrefix: s.Prefix("empty"), Keys: keys})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, got.Repositories, equateEmpty); diff != "" {
		t.Error(diff)
	}
	count := map[string]int{}
	for _, r := range s.Requests() {
		count[r]++
	}
	if len(count) != 2*len(keys) || slices.Max(slices.Collect(maps.Values(count))) > 1 {
		t.Errorf("expected one request for each repository: %v", count)
	}
}
