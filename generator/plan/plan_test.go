package plan_test

import (
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// fleet is base <- python <- app, base <- node.
func fleet(edit func(map[string]spec)) map[string]spec {
	f := map[string]spec{
		"base": {content: "b"}, "python": {content: "p", parents: []string{"base"}},
		"app": {content: "a", parents: []string{"python"}}, "node": {content: "n", parents: []string{"base"}},
	}
	if edit != nil {
		edit(f)
	}
	return f
}

func edited(image string, edit func(*spec)) map[string]spec {
	return fleet(func(f map[string]spec) {
		s := f[image]
		edit(&s)
		f[image] = s
	})
}

func TestMake(t *testing.T) {
	t.Parallel()
	const all, idle = "build build test", "none"
	full := each(map[string]string{"base": all, "python": all, "app": all, "node": all})
	quiet := each(map[string]string{"base": idle, "python": idle, "app": idle, "node": idle})
	with := func(m map[string]string, over map[string]string) map[string]string {
		out := maps.Clone(m)
		maps.Copy(out, over)
		return out
	}
	content := func(s *spec) { s.content += "2" }
	tests := map[string]struct {
		then, now map[string]spec
		built     map[string]spec // what the registry has; nil is a registry that nobody asks
		lost      string          // an image whose bytes it has not
		untested  string          // an image whose tests failed
		req       plan.Request
		want      map[string]string
	}{
		"everything is new, nobody asked": {now: fleet(nil), want: full},
		"everything is new":               {now: fleet(nil), built: map[string]spec{}, want: full},
		"nothing changed, nobody asked":   {then: fleet(nil), now: fleet(nil), want: quiet},
		"nothing changed":                 {then: fleet(nil), now: fleet(nil), built: fleet(nil), want: quiet},
		"never built":                     {then: fleet(nil), now: fleet(nil), built: map[string]spec{}, want: full},
		"an edit, nobody asked": {then: fleet(nil), now: edited("python", content),
			want: with(quiet, each(map[string]string{"python": all, "app": all}))},
		"an edit": {then: fleet(nil), now: edited("python", content), built: fleet(nil),
			want: with(quiet, each(map[string]string{"python": all, "app": all}))},
		"an edit that was built elsewhere": {then: fleet(nil), now: edited("python", content), built: edited("python", content),
			want: with(quiet, each(map[string]string{"python": "reuse", "app": "reuse"}))},
		"a failed image heals": {then: fleet(nil), now: fleet(nil), built: fleet(nil), lost: "node",
			want: with(quiet, each(map[string]string{"node": all}))},
		"a failed test is run again": {then: fleet(nil), now: fleet(nil), built: fleet(nil), untested: "node",
			want: with(quiet, each(map[string]string{"node": "none test"}))},
		"an edited test builds nothing": {then: fleet(nil), now: edited("base", func(s *spec) { s.tests = "2" }), built: fleet(nil),
			want: with(quiet, each(map[string]string{"base": "none test"}))},
		"an edited test, nobody asked": {then: fleet(nil), now: edited("base", func(s *spec) { s.tests = "2" }),
			want: with(quiet, each(map[string]string{"base": "none test"}))},
		"forced": {then: fleet(nil), now: fleet(nil), built: fleet(nil), req: plan.Request{Force: []string{"python"}},
			want: with(quiet, each(map[string]string{"python": all + " g1", "app": all + " g1"}))},
		"forced, nobody asked": {then: fleet(nil), now: fleet(nil), req: plan.Request{Force: []string{"python"}},
			want: with(quiet, each(map[string]string{"python": all, "app": all}))},
		"forced, never built": {now: fleet(nil), built: map[string]spec{}, req: plan.Request{Force: []string{"python"}}, want: full},
		"all": {then: fleet(nil), now: fleet(nil), built: fleet(nil), req: plan.Request{All: true},
			want: each(map[string]string{"base": all + " g1", "python": all + " g1", "app": all + " g1", "node": all + " g1"})},
		"bases anew": {then: fleet(nil), now: fleet(nil), built: fleet(nil), req: plan.Request{Bases: true},
			want: each(map[string]string{"base": all + " g1", "python": all + " g1", "app": all + " g1", "node": all + " g1"})},
		"one platform of an edit": {then: fleet(nil), now: edited("python", content), built: fleet(nil), req: plan.Request{Platforms: both[1:]},
			want: with(quiet, map[string]string{"python arm64": all, "app arm64": all})},
		"one platform, nobody asked": {then: fleet(nil), now: edited("app", content), req: plan.Request{Platforms: both[:1]},
			want: with(quiet, map[string]string{"app amd64": all})},
		"one platform that nothing waits for": {then: fleet(nil), now: fleet(nil), built: fleet(nil), req: plan.Request{Platforms: both[:1]}, want: quiet},
		"a new tag of the same bytes":         {then: fleet(nil), now: edited("node", func(s *spec) { s.version = "2" }), built: fleet(nil), want: quiet},
		"retired": {then: fleet(nil), now: fleet(func(f map[string]spec) { delete(f, "app") }), built: fleet(nil),
			want: with(quiet, each(map[string]string{"app": "retire"}))},
		"a platform less": {then: fleet(nil), now: edited("app", func(s *spec) { s.platforms = both[:1] }), built: fleet(nil),
			want: with(quiet, map[string]string{"app arm64": "retire"})},
		"a platform more": {then: edited("app", func(s *spec) { s.platforms = both[:1] }), now: fleet(nil), built: edited("app", func(s *spec) { s.platforms = both[:1] }),
			want: with(quiet, map[string]string{"app arm64": all})},
		"chosen images and their parents": {then: fleet(nil), now: fleet(nil), built: map[string]spec{}, req: plan.Request{Images: []string{"python"}},
			want: each(map[string]string{"base": all, "python": all})},
		"by name and tag": {then: fleet(nil), now: fleet(nil), built: fleet(nil), req: plan.Request{Images: []string{"base:1"}},
			want: each(map[string]string{"base": idle})},
		"left out": {now: fleet(nil), built: map[string]spec{}, req: plan.Request{Except: []string{"python"}},
			want: each(map[string]string{"base": all, "node": all})},
		"a request reads what it did not change": {then: fleet(nil), now: edited("python", content), built: fleet(nil), req: plan.Request{Scope: model.ScopePR},
			want: with(quiet, each(map[string]string{"python": all, "app": all}))},
		"a request copies what it changed back": {then: fleet(nil), now: edited("node", content), built: edited("node", content), req: plan.Request{Scope: model.ScopePR},
			want: with(quiet, each(map[string]string{"node": "reuse build test"}))},
		"a request heals only what it needs": {then: fleet(nil), now: edited("python", content), built: map[string]spec{}, req: plan.Request{Scope: model.ScopePR},
			want: each(map[string]string{"base": all, "python": all, "app": all, "node": idle})},
		"a request runs the tests that it edits": {then: fleet(nil), now: edited("node", func(s *spec) { s.tests = "2" }), built: fleet(nil), req: plan.Request{Scope: model.ScopePR},
			want: with(quiet, each(map[string]string{"node": "reuse build test"}))},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var w *world
			if tt.built != nil {
				w = newWorld()
				w.run(t, makePlan(t, nil, snapshot("before", tt.built), w, plan.Request{}), func(step string, e *model.Entry) bool {
					return e.Image != tt.lost && (e.Image != tt.untested || step != model.StepTest)
				})
			}
			var then *plan.Snapshot
			if tt.then != nil {
				then = snapshot("v1", tt.then)
			}
			p := makePlan(t, then, snapshot("HEAD", tt.now), w, tt.req)
			if diff := cmp.Diff(tt.want, actions(p)); diff != "" {
				t.Error(diff)
			}
			b, err := plan.Encode(p)
			if err != nil {
				t.Fatal(err)
			}
			back, err := plan.Decode(b)
			if err != nil {
				t.Fatalf("Decode: %v", err)
			}
			if diff := cmp.Diff(p, back); diff != "" {
				t.Error("a plan does not come back as it was:", diff)
			}
		})
	}
}

func reasonsOf(p *model.Plan, image string) []model.Reason {
	for i := range p.Entries {
		if p.Entries[i].Image == image {
			return p.Entries[i].Reasons
		}
	}
	return nil
}

func kinds(reasons []model.Reason) []string {
	out := []string{}
	for _, r := range reasons {
		out = append(out, r.Kind)
	}
	return out
}

func TestReasons(t *testing.T) {
	t.Parallel()
	then, now := snapshot("v1", fleet(nil)), snapshot("HEAD", edited("python", func(s *spec) { s.content = "p2" }))
	p := makePlan(t, then, now, nil, plan.Request{})
	if diff := cmp.Diff([]model.Reason{{Kind: model.ReasonFile, Path: "images/python/app", Old: "p", New: "p2"}}, reasonsOf(p, "python")); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{model.ReasonParent}, kinds(reasonsOf(p, "app"))); diff != "" {
		t.Error(diff)
	}
	p = makePlan(t, then, snapshot("HEAD", edited("base", func(s *spec) { s.version = "2" })), nil, plan.Request{})
	if r := reasonsOf(p, "base"); len(r) != 1 || r[0].Name != "component_version" || r[0].Old != "1" || r[0].New != "2" {
		t.Errorf("reasons for a new version of the same bytes: %+v", r)
	}
	w := newWorld()
	w.run(t, makePlan(t, nil, then, w, plan.Request{}), always)
	p = makePlan(t, then, then, w, plan.Request{RebuildTag: "v2a"})
	if r := reasonsOf(p, "base"); len(r) != 1 || r[0].Kind != model.ReasonRebuildAll || r[0].Name != "v2a" {
		t.Errorf("reasons %+v", r)
	}
	p = makePlan(t, then, then, w, plan.Request{Force: []string{"base"}})
	for image, want := range map[string]string{"base": model.ReasonForced, "python": model.ReasonParent, "app": model.ReasonParent} {
		if diff := cmp.Diff([]string{want}, kinds(reasonsOf(p, image))); diff != "" {
			t.Errorf("%s: %s", image, diff)
		}
	}
	p = makePlan(t, then, then, newWorld(), plan.Request{})
	if diff := cmp.Diff([]string{model.ReasonRegistry}, kinds(reasonsOf(p, "base"))); diff != "" {
		t.Error(diff)
	}
	p = makePlan(t, nil, then, nil, plan.Request{})
	if diff := cmp.Diff([]string{model.ReasonNew}, kinds(reasonsOf(p, "base"))); diff != "" {
		t.Error(diff)
	}
	if len(p.Notes) == 0 || p.From != nil {
		t.Errorf("nothing is said about the missing release: %v, from %v", p.Notes, p.From)
	}
}

func TestRefsAndIndexes(t *testing.T) {
	t.Parallel()
	now := snapshot("HEAD", map[string]spec{"base": {}})
	p := makePlan(t, nil, now, nil, plan.Request{})
	want := []string{"registry.example.com/testing/team/base:1-2026.11.21[.?]", "registry.example.com/testing/team/base:1-2026.11.21[.?]-linux-amd64"}
	if diff := cmp.Diff(want, p.Entries[0].Refs); diff != "" {
		t.Error(diff)
	}
	x := p.Indexes[0]
	if x.Version != "1-2026.11.21" || x.Action != model.StepRun || x.Identity != plan.Identity(p.Entries) {
		t.Errorf("index %+v", x)
	}
	p = makePlan(t, nil, now, nil, plan.Request{Scope: model.ScopePR, SnapshotID: "pr-7"})
	if got := p.Entries[1].Refs[1]; got != "registry.example.com/testing/team/base:1-2026.11.21-pr-7-linux-arm64" {
		t.Errorf("ref %s", got)
	}
	w := newWorld()
	w.run(t, makePlan(t, nil, now, w, plan.Request{}), always)
	p = makePlan(t, now, now, w, plan.Request{})
	if p.Indexes[0].Action != model.StepDone || len(p.Entries[0].Refs) != 0 {
		t.Errorf("a merged index is merged again: %+v, refs %v", p.Indexes[0], p.Entries[0].Refs)
	}
}

func TestUnknownImages(t *testing.T) {
	t.Parallel()
	now := snapshot("HEAD", fleet(nil))
	for name, req := range map[string]plan.Request{
		"chosen": {Images: []string{"base", "pyhton"}}, "forced": {Force: []string{"base:2"}}, "left out": {Except: []string{"x"}},
	} {
		_, err := plan.Make(nil, now, model.RegistryState{}, req)
		if _, found := errors.AsType[*plan.UnknownImageError](err); !found {
			t.Errorf("%s: error %v", name, err)
		}
	}
}

func TestUnknownImageSaysWhichThereAre(t *testing.T) {
	t.Parallel()
	many := strings.Split("a b c d e f g h i j python", " ")
	for _, c := range []struct {
		name  string
		known []string
		want  string
	}{
		{"nope", nil, `unknown image "nope": the fleet has none`},
		{"nope", []string{"hello", "two"}, `unknown image "nope": the fleet has hello, two`},
		{"Pyhton", many, "unknown image \"Pyhton\": the fleet has a, b, c, d, e, f, g, h, i, j and 1 more\nhint: did you mean python?"},
		{"python:3", many[10:], "unknown image \"python:3\": the fleet has python\nhint: python has no tag \"3\"; without one, the whole image is meant"},
	} {
		err := plan.UnknownImageError{Name: c.name, Known: c.known}
		if diff := cmp.Diff(c.want, err.Error()); diff != "" {
			t.Error(diff)
		}
	}
}

// TestForcedRunThatDied forces a base below an image that was itself forced
// twice, and loses the machine once the base is built: the next plan must still
// see that the image is behind.
func TestForcedRunThatDied(t *testing.T) {
	t.Parallel()
	now := snapshot("HEAD", fleet(nil))
	w := newWorld()
	w.run(t, makePlan(t, nil, now, w, plan.Request{}), always)
	for range 2 {
		w.run(t, makePlan(t, now, now, w, plan.Request{Force: []string{"app"}}), always)
	}
	w.run(t, makePlan(t, now, now, w, plan.Request{Force: []string{"base"}}), func(_ string, e *model.Entry) bool { return e.Image == "base" })
	p := makePlan(t, now, now, w, plan.Request{})
	const anew = "build build test g3"
	if diff := cmp.Diff(each(map[string]string{"base": "none g3", "python": anew, "node": anew, "app": anew}), actions(p)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{model.ReasonParent}, kinds(reasonsOf(p, "app"))); diff != "" {
		t.Error(diff)
	}
}
