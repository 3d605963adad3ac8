package plan_test

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// spec is one image of a fleet in a test.
type spec struct {
	parents   []string
	content   string // what its bytes depend on beside its parents
	tests     string
	version   string           // "1" where empty
	platforms []model.Platform // both where empty
}

var both = []model.Platform{model.LinuxAMD64, model.LinuxARM64}

func (s spec) id(image string, p model.Platform) model.TargetID {
	t := model.TargetID{Image: image, Tag: s.version, Platform: p}
	if t.Tag == "" {
		t.Tag = "1"
	}
	return t
}

func (s spec) on() []model.Platform {
	if s.platforms == nil {
		return both
	}
	return s.platforms
}

// snapshot makes keys the way that they are defined: of the content and of
// the parents' keys.
func snapshot(ref string, images map[string]spec) *plan.Snapshot {
	s := &plan.Snapshot{
		Revision: model.Revision{Ref: ref, Commit: ref, Tree: fmt.Sprint(images)},
		Fleet:    &model.Fleet{}, Keys: map[model.TargetID]*key.Key{},
	}
	var compute func(t model.TargetID) *key.Key
	compute = func(t model.TargetID) *key.Key {
		if k := s.Keys[t]; k != nil {
			return k
		}
		i := images[t.Image]
		k := &key.Key{Target: t, TestsKey: model.DigestOf([]byte(i.tests))}
		form := key.Form{
			{Kind: key.LinePlatform, Name: t.Platform.String()},
			{Kind: key.LineFile, Name: "app", Value: i.content, Path: "images/" + t.Image + "/app"},
		}
		for _, p := range i.parents {
			parent := images[p].id(p, t.Platform)
			k.Parents = append(k.Parents, parent)
			form = append(form, key.Line{Kind: key.LineParent, Name: parent.Node(), Value: compute(parent).Digest.String()})
		}
		made := key.Of(t, form)
		made.Parents, made.TestsKey = k.Parents, k.TestsKey
		k = made
		s.Keys[t] = k
		return k
	}
	for _, id := range slices.Sorted(maps.Keys(images)) {
		i := images[id]
		s.Fleet.Images = append(s.Fleet.Images, model.Image{
			ID: id, Label: id, Dir: "images/" + id, ImageName: "team/" + id, ComponentVersion: i.id(id, model.LinuxAMD64).Tag,
			Platforms: i.on(), Tests: []model.Test{{Name: "works", Cmd: i.tests}},
		})
		for _, p := range i.on() {
			compute(i.id(id, p))
		}
	}
	return s
}

// world is a registry and the little of the runtime that planning depends on.
type world struct {
	tags     map[string]map[string]model.Digest // repository -> tag -> manifest
	madeFrom map[model.Digest][]model.Digest    // manifest -> manifests of its parents
	made     int
}

func newWorld() *world {
	return &world{tags: map[string]map[string]model.Digest{}, madeFrom: map[model.Digest][]model.Digest{}}
}

func (w *world) tag(repo, tag string, d model.Digest) {
	if w.tags[repo] == nil {
		w.tags[repo] = map[string]model.Digest{}
	}
	w.tags[repo][tag] = d
}

// repositories answers a query as a registry does.
func (w *world) repositories(q model.RegistryQuery) map[string]model.RepositoryState {
	out := map[string]model.RepositoryState{}
	for repo, keys := range q.Keys {
		s := model.RepositoryState{Contents: map[model.Digest]model.Content{}}
		for tag, digest := range w.tags[repo] {
			k, g, ok := model.ParseContentTag(tag)
			if c, found := s.Contents[k]; ok && slices.Contains(keys, k) && (!found || c.Generation < g) {
				s.Contents[k] = model.Content{Generation: g, Digest: digest}
			}
		}
		for _, tag := range slices.Sorted(maps.Keys(w.tags[repo])) {
			state, ok := model.ParseStateTag(tag)
			if c, found := s.Contents[state.Key]; ok && found && c.Generation == state.Generation && !state.Of(model.StepBuild) {
				c.Done = append(c.Done, state.Mark)
				s.Contents[state.Key] = c
			}
		}
		out[repo] = s
	}
	return out
}

// run carries out a plan, parents first. ok may fail a step; what depends on
// it is then left out, as a run does.
func (w *world) run(t testing.TB, p *model.Plan, ok func(step string, e *model.Entry) bool) {
	t.Helper()
	digests := map[model.TargetID]model.Digest{}
	failed := map[string]bool{}
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Action == model.ActionRetire {
			continue
		}
		k, node := e.Key, e.ID().Node()
		if e.Steps[model.StepBuild] == model.StepRun {
			if !w.build(t, e, digests, ok) {
				failed[node] = true
				continue
			}
		} else if e.Digest != "" {
			digests[e.ID()] = e.Digest
		} else if p.Registry == "known" {
			digests[e.ID()] = w.tags[e.Repository][model.ContentTag(k, e.Generation)]
		}
		if e.Steps[model.StepTest] == model.StepRun {
			if !ok(model.StepTest, e) {
				failed[node] = true
				continue
			}
			w.done(e.Repository, model.StateTag{Key: k, Generation: e.Generation, Step: model.StepTest, Digest: digests[e.ID()],
				StepKey: model.TestStepKey(digests[e.ID()], e.TestsKey)})
		}
	}
	for _, x := range p.Indexes {
		if x.Action == model.StepRun && !failed[model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}.Node()] {
			w.merge(p, &x, digests)
		}
	}
}

func (w *world) build(t testing.TB, e *model.Entry, digests map[model.TargetID]model.Digest, ok func(string, *model.Entry) bool) bool {
	t.Helper()
	var from []model.Digest
	for _, parent := range e.Parents {
		d := digests[model.TargetID{Image: parent.Image, Tag: parent.Tag, Variant: parent.Variant, Platform: e.Platform}]
		if d == "" {
			return false
		}
		from = append(from, d)
	}
	if !ok(model.StepBuild, e) {
		return false
	}
	content := model.ContentTag(e.Key, e.Generation)
	if w.tags[e.Repository][content] == "" {
		w.made++
		d := model.DigestOf(fmt.Appendf(nil, "%s %d", content, w.made)) // no build gives the same bytes twice
		w.tag(e.Repository, content, d)
		w.madeFrom[d] = from
	}
	digests[e.ID()] = w.tags[e.Repository][content]
	w.done(e.Repository, model.StateTag{Key: e.Key, Generation: e.Generation, Step: model.StepBuild, Digest: digests[e.ID()],
		StepKey: model.BuildStepKey(e.Key, e.Generation)})
	return true
}

func (w *world) done(repo string, s model.StateTag) { w.tag(repo, s.String(), s.Digest) }

func (w *world) merge(p *model.Plan, x *model.Index, digests map[model.TargetID]model.Digest) {
	s := model.StateTag{Generation: x.Generation, Step: model.StepMerge, Digest: x.Identity}
	var tests []model.Digest
	for _, platform := range x.Platforms {
		id := model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant, Platform: platform}
		for _, e := range p.Entries {
			if e.ID() != id || e.Action == model.ActionRetire {
				continue
			}
			if s.Key == "" {
				s.Key = e.Key
			}
			tests = append(tests, model.TestStepKey(digests[id], e.TestsKey))
		}
	}
	s.StepKey = model.MergeStateKey(x.Identity, tests, p.Policy)
	w.done(x.Repository, s)
}

func always(string, *model.Entry) bool { return true }

// make plans against the world; a nil world is a registry that nobody asks.
func makePlan(t testing.TB, then, now *plan.Snapshot, w *world, req plan.Request) *model.Plan {
	t.Helper()
	if req.Scope == "" {
		req.Scope = model.ScopeTesting
	}
	req.Prefix, req.Date = "registry.example.com/testing", "2026.11.21"
	state := model.RegistryState{}
	if w != nil {
		q, err := plan.Queries(now, req)
		if err != nil {
			t.Fatal(err)
		}
		state = model.RegistryState{Known: true, Repositories: w.repositories(q)}
		if req.Scope == model.ScopePR { // its own repositories are empty
			req.ReadPrefix = req.Prefix
			req.Prefix = "registry.example.com/pr"
			state.Read, state.Repositories = state.Repositories, nil
		}
	}
	p, err := plan.Make(then, now, state, req)
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// actions is "action steps" of every target, by name.
func actions(p *model.Plan) map[string]string {
	out := map[string]string{}
	for i := range p.Entries {
		e := &p.Entries[i]
		s := string(e.Action)
		for _, step := range []string{model.StepBuild, model.StepTest} {
			if e.Steps[step] == model.StepRun {
				s += " " + step
			}
		}
		if e.Generation > 0 {
			s += fmt.Sprintf(" g%d", e.Generation)
		}
		out[e.Image+" "+e.Platform.Arch] = s
	}
	return out
}

// each gives both platforms of images one action.
func each(byImage map[string]string) map[string]string {
	out := map[string]string{}
	for image, s := range byImage {
		for _, p := range both {
			out[image+" "+p.Arch] = s
		}
	}
	return out
}
