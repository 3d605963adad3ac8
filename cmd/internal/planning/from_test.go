package planning_test

import (
	"context"
	"errors"
	"log/slog"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// frame is an App in the folder, with only these variables.
func frame(dir string, env map[string]string) *app.App {
	streams, _, _ := term.Buffers()
	return &app.App{
		Streams: streams, Dir: dir, Config: "rootfsgen.yaml", Diagnostics: "text",
		Env: func(name string) string { return env[name] }, Log: slog.New(slog.DiscardHandler),
	}
}

func planOf(ctx context.Context, a *app.App, o planning.Options) (p *model.Plan, err error) {
	s, err := planning.Load(ctx, a, o)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	return s.Plan(ctx)
}

func files(motd string) map[string]string {
	return map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr}\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": motd,
	}
}

// releases has v1, v2 and v3a on three commits, a commit after them, and a
// request that parted after v2.
func releases(t *testing.T) *gittest.Repo {
	r := gittest.New(t)
	r.Commit(files("1"))
	r.Git("tag", "v1")
	r.Commit(files("2"))
	r.Git("tag", "v2")
	r.Git("checkout", "-q", "-b", "topic")
	r.Commit(map[string]string{"docs/topic": ""})
	r.Git("checkout", "-q", "main")
	r.Commit(files("3"))
	r.Git("tag", "v3a")
	r.Commit(files("4"))
	return r
}

func TestFrom(t *testing.T) {
	t.Parallel()
	r := releases(t)
	ci := func(more map[string]string) map[string]string {
		env := map[string]string{"CI": "true"}
		maps.Copy(env, more)
		return env
	}
	tests := map[string]struct {
		at      string // what is checked out
		env     map[string]string
		o       planning.Options
		from    string // "" is nothing
		rebuild bool
	}{
		"desk":                       {at: "main", from: "v3a"},
		"push":                       {at: "main", env: ci(nil), from: "v3a"},
		"desk, on a release":         {at: "v2", from: "v2"},
		"desk, on a tag with an a":   {at: "v3a", from: "v3a", rebuild: true},
		"push, of a tag's commit":    {at: "v3a", env: ci(nil), from: "v3a"},
		"tag pipeline on GitHub":     {at: "v2", env: ci(map[string]string{"GITHUB_REF_TYPE": "tag", "GITHUB_REF_NAME": "v2"}), from: "v1"},
		"branch pipeline on GitHub":  {at: "v2", env: ci(map[string]string{"GITHUB_REF_TYPE": "branch", "GITHUB_REF_NAME": "v2"}), from: "v2"},
		"tag pipeline on GitLab":     {at: "v2", env: ci(map[string]string{"CI_COMMIT_TAG": "v2"}), from: "v1"},
		"a tag with an a on GitLab":  {at: "v3a", env: ci(map[string]string{"CI_COMMIT_TAG": "v3a"}), from: "v2", rebuild: true},
		"another tag than a release": {at: "v2", env: ci(map[string]string{"CI_COMMIT_TAG": "nightly"}), from: "v2"},
		"the first release":          {at: "v1", env: ci(map[string]string{"CI_COMMIT_TAG": "v1"})},
		"to a tag":                   {at: "main", o: planning.Options{To: "v2"}, from: "v1"},
		"request on a desk":          {at: "topic", o: planning.Options{Scope: model.ScopePR}, from: "refs/heads/main"},
		"request on GitHub":          {at: "topic", env: ci(map[string]string{"GITHUB_BASE_REF": "main"}), o: planning.Options{Scope: model.ScopePR}, from: "refs/heads/main"},
		"asked for":                  {at: "main", o: planning.Options{From: "HEAD~2"}, from: "HEAD~2"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			clone := gittest.At(t, t.TempDir()) // --from and checkouts must not meet
			clone.Git("clone", "-q", r.Dir, ".")
			clone.Git("branch", "-q", "topic", "origin/topic")
			clone.Git("checkout", "-q", tt.at)
			clone.Git("remote", "remove", "origin")
			tt.o.State = planning.StateOff
			p, err := planOf(t.Context(), frame(clone.Dir, tt.env), tt.o)
			if err != nil {
				t.Fatal(err)
			}
			from, rebuild := "", p.Entries[0].Reasons != nil && p.Entries[0].Action == model.ActionBuild && hasReason(p, model.ReasonRebuildAll)
			if p.From != nil {
				from = p.From.Ref
			}
			if from != tt.from || rebuild != tt.rebuild {
				t.Errorf("from %q, rebuild all %v; want %q, %v", from, rebuild, tt.from, tt.rebuild)
			}
		})
	}
}

func hasReason(p *model.Plan, kind string) bool {
	for i := range p.Entries {
		for _, r := range p.Entries[i].Reasons {
			if r.Kind == kind {
				return true
			}
		}
	}
	return false
}

// TestHistoriesOfOneContent reaches the same files by a merge, a squash and a
// rebase; the plan is the same, commits apart.
func TestHistoriesOfOneContent(t *testing.T) {
	t.Parallel()
	var want []model.Entry
	for _, how := range [][]string{{"merge", "-q", "--no-ff", "-m", "x", "topic"}, {"merge", "-q", "--squash", "topic"}, {"cherry-pick", "topic"}} {
		r := gittest.New(t)
		r.Commit(files("1"))
		r.Git("tag", "v1")
		r.Git("checkout", "-q", "-b", "topic")
		r.Commit(files("2"))
		r.Git("checkout", "-q", "main")
		r.Commit(map[string]string{"docs/main": ""})
		r.Git(how...)
		r.Commit(nil)
		p, err := planOf(t.Context(), frame(r.Dir, nil), planning.Options{State: planning.StateOff})
		if err != nil {
			t.Fatal(err)
		}
		if want == nil {
			want = p.Entries
		}
		if diff := cmp.Diff(want, p.Entries); diff != "" || p.Entries[0].Action != model.ActionBuild {
			t.Errorf("%v: %s %s", how, p.Entries[0].Action, diff)
		}
	}
}

// TestRename moves an image's folder as it is: the same image, the same key.
func TestRename(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{
		"rootfsgen.yaml": "version: 1\nimages: [{root: images, pattern: '{name}'}]\n", "images/old/image.yaml": "id: base\n",
		"images/old/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/old/motd": "1",
	})
	r.Git("tag", "v1")
	r.Git("mv", "images/old", "images/new")
	r.Commit(nil)
	p, err := planOf(t.Context(), frame(r.Dir, nil), planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range p.Entries {
		if e.Action != model.ActionNone || e.Dir != "images/new" {
			t.Errorf("%s in %s: %s %v", e.ID(), e.Dir, e.Action, e.Reasons)
		}
	}
}

func TestConfigOutside(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	tree := files("1")
	delete(tree, "rootfsgen.yaml")
	r.Commit(tree)
	r.Git("tag", "v1")
	outside := gittest.At(t, t.TempDir())
	outside.Write(map[string]string{"settings.yaml": "version: 1\nregistry: {testing: elsewhere.example.com/x}\n", "broken.yaml": "version: 1\nregistri: {}\n"})
	a := frame(r.Dir, nil)
	a.Config = outside.Dir + "/settings.yaml"
	p, err := planOf(t.Context(), a, planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	if p.Prefix != "elsewhere.example.com/x" || p.From == nil {
		t.Errorf("prefix %q, from %v", p.Prefix, p.From)
	}
	a.Config = outside.Dir + "/broken.yaml"
	_, err = planOf(t.Context(), a, planning.Options{State: planning.StateOff})
	if list, found := errors.AsType[diag.List](err); !found || list[0].Line != "registri: {}" {
		t.Errorf("error %#v", err)
	}
	a.Config = outside.Dir + "/none.yaml"
	if _, err = planOf(t.Context(), a, planning.Options{State: planning.StateOff}); err == nil {
		t.Error("settings that do not exist were read")
	}
}

// TestOldTreeThatCannotBeRead is no reason to stop, and no reason to build
// nothing.
func TestOldTreeThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	old := files("1")
	old["images/base/image.yaml"] = "colour: blue\n"
	r.Commit(old)
	r.Git("tag", "v1")
	r.Commit(map[string]string{"images/base/image.yaml": "label: Base\n"})
	p, err := planOf(t.Context(), frame(r.Dir, nil), planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	e := p.Entries[0]
	if p.From == nil || e.Image != "base" || e.Action != model.ActionBuild || e.Reasons[0].Detail != "it could not be read at v1" {
		t.Errorf("from %v, %s is %s because %v", p.From, e.Image, e.Action, e.Reasons)
	}
}

// TestOldSettingsThatCannotBeRead leave nothing to compare with.
func TestOldSettingsThatCannotBeRead(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	old := files("1")
	settings := old["rootfsgen.yaml"]
	old["rootfsgen.yaml"] = "registri: {}\n"
	r.Commit(old)
	r.Git("tag", "v1")
	r.Commit(map[string]string{"rootfsgen.yaml": settings})
	p, err := planOf(t.Context(), frame(r.Dir, nil), planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	if p.From != nil || p.Entries[0].Action != model.ActionBuild || !strings.Contains(strings.Join(p.Notes, " "), "The images of v1 cannot be read: rootfsgen.yaml:1:1") {
		t.Errorf("from %v, %s, notes %q", p.From, p.Entries[0].Action, p.Notes)
	}
	if got, want := p.Entries[0].Reasons[0].Detail, "it could not be read at v1"; got != want {
		t.Errorf("the reason is %q, want %q", got, want)
	}
}

func TestShallowRequest(t *testing.T) {
	t.Parallel()
	clone := releases(t).Clone("--depth=1", "--branch=topic")
	_, err := planOf(t.Context(), frame(clone.Dir, map[string]string{"CI": "1"}), planning.Options{Scope: model.ScopePR})
	if !errors.Is(err, history.ErrShallow) {
		t.Errorf("error %v", err)
	}
}
