package tree_test

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/tree"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// desk is a repository in which people and the generator both write.
type desk struct {
	t    *testing.T
	repo *gittest.Repo
	root *os.Root
	past tree.Past
}

func newDesk(t *testing.T) *desk {
	t.Helper()
	repo := gittest.New(t)
	h, err := history.Open(t.Context(), repo.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = h.Close() })
	return &desk{t: t, repo: repo, root: open(t, repo.Dir), past: past{h}}
}

type past struct{ *history.Repo }

func (p past) Merge(ctx context.Context, before, edited, now []byte) ([]byte, bool, error) {
	return p.Repo.Merge(ctx, history.Side{Name: "before", Text: before}, history.Side{Name: "edited", Text: edited}, history.Side{Name: "now", Text: now})
}

func (d *desk) compare(want render.Files) *tree.Comparison {
	d.t.Helper()
	found, err := tree.Compare(d.t.Context(), d.root, want, tree.Options{Past: d.past})
	if err != nil {
		d.t.Fatal(err)
	}
	return found
}

// generate makes the disk agree, and returns what differed.
func (d *desk) generate(want render.Files) []string {
	d.t.Helper()
	found := d.compare(want)
	if err := tree.Apply(d.root, found.Changes); err != nil {
		d.t.Fatal(err)
	}
	return kinds(found.Changes)
}

func (d *desk) read(name string) string {
	d.t.Helper()
	text, err := d.root.ReadFile(name)
	if err != nil {
		d.t.Fatal(err)
	}
	return string(text)
}

func (d *desk) edit(name, from, to string) {
	d.t.Helper()
	text := d.read(name)
	if !strings.Contains(text, from) {
		d.t.Fatalf("%s has no %q", name, from)
	}
	d.repo.Write(map[string]string{name: strings.Replace(text, from, to, 1)})
}

func (d *desk) commit() {
	d.t.Helper()
	d.repo.Git("add", "-A")
	d.repo.Git("commit", "-q", "-m", "Work")
}

// lineOf is the number of the first line that contains s.
func lineOf(text, s string) int {
	return 1 + slices.IndexFunc(strings.Split(text, "\n"), func(l string) bool { return strings.Contains(l, s) })
}

const (
	editedName = `name: rootfsgen push`
	ownName    = `name: rootfsgen push of acme`
	copyOfPush = ".rootfsgen/generated/" + push
)

// TestEditSurvives follows an edit through everything that happens to its
// file: found, kept, upgraded twice, changed, and taken back.
func TestEditSurvives(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, second, third := generated(t, render.DefaultPins(), "a"), onBranch(t, "trunk", render.DefaultPins(), "a"), onBranch(t, "next", render.DefaultPins(), "a")
	d.generate(first)
	d.commit()
	d.edit(push, editedName, ownName)
	where := ": edited by hand: line 5"
	if line := lineOf(d.read(push), ownName); line != 5 {
		t.Fatalf("the edit is at line %d", line)
	}
	if diff := cmp.Diff([]string{push + where, copyOfPush + ": missing: the text of an edited file"}, sorted(d.generate(first))); diff != "" {
		t.Error(diff)
	}
	d.settled(first, ownName)
	d.commit()

	got := d.generate(second)
	if !slices.Contains(got, push+": outdated: the edit is kept: line 5") {
		t.Errorf("an upgrade: %q", got)
	}
	d.settled(second, ownName, "branches: [trunk]")
	d.commit()
	d.generate(third) // the text before was never committed in its place
	d.settled(third, ownName, "branches: [next]")

	d.edit(push, ownName, ownName+" again")
	if diff := cmp.Diff([]string{push + where}, kinds(d.compare(third).Changes)); diff != "" {
		t.Errorf("a later edit: %s", diff)
	}
	d.edit(push, ownName+" again", editedName)
	d.generate(third)
	if d.read(push) != string(third[push]) {
		t.Error("an edit that was taken back left traces")
	}
	if _, err := d.root.Stat(copyOfPush); err == nil {
		t.Error("the copy is there without an edit")
	}
}

func sorted(s []string) []string { return slices.Sorted(slices.Values(s)) }

// settled checks that nothing differs but the edit, and that the file has the
// texts.
func (d *desk) settled(want render.Files, texts ...string) {
	d.t.Helper()
	found := d.compare(want)
	if len(found.Changes) > 0 || len(found.Edits) != 1 || found.Edits[0] != (tree.Edit{Path: push, Lines: "line 5", Line: 5}) {
		d.t.Errorf("not settled: %v %v", kinds(found.Changes), found.Edits)
	}
	for _, s := range texts {
		if !strings.Contains(d.read(push), s) {
			d.t.Errorf("lost: %s", s)
		}
	}
}

// TestConflict edits the very line that changes.
func TestConflict(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first, second := generated(t, render.DefaultPins(), "a"), onBranch(t, "trunk", render.DefaultPins(), "a")
	d.generate(first)
	d.commit()
	d.edit(push, "branches: [main]", "branches: [main, lts]")
	line := lineOf(d.read(push), "lts")
	got := d.generate(second)
	if !slices.ContainsFunc(got, func(s string) bool {
		return strings.HasPrefix(s, push+": edited by hand where it changes: line ") && strings.Contains(s, "markers at line ")
	}) {
		t.Errorf("got %q, the edit is at line %d", got, line)
	}
	text := d.read(push)
	for _, s := range []string{"<<<<<<< edited\n", "    branches: [main, lts]\n", "||||||| before\n    branches: [main]\n", "    branches: [trunk]\n>>>>>>> now\n"} {
		if !strings.Contains(text, s) {
			t.Errorf("the conflict does not show %q:\n%s", s, text)
		}
	}
	for range 2 { // it stays until somebody resolves it
		found := d.compare(onBranch(t, "other", render.DefaultPins(), "a"))
		i := slices.IndexFunc(found.Changes, func(c tree.Change) bool { return c.Path == push })
		if i < 0 || !found.Changes[i].Kind.Open() || !found.Changes[i].Stays() || found.Changes[i].Line != lineOf(text, "<<<<<<<") {
			t.Fatalf("got %v", found.Changes)
		}
		if err := tree.Apply(d.root, found.Changes); err != nil {
			t.Fatal(err)
		}
	}
	d.generate(second)
	_, after, _ := strings.Cut(text, ">>>>>>> now\n")
	before, _, _ := strings.Cut(text, "<<<<<<< edited\n")
	d.repo.Write(map[string]string{push: before + "    branches: [trunk, lts]\n" + after})
	d.generate(second)
	if found := d.compare(second); len(found.Changes) != 0 || len(found.Edits) != 1 || !strings.Contains(d.read(push), "branches: [trunk, lts]") {
		t.Errorf("resolved: %v %v", kinds(found.Changes), found.Edits)
	}
	d.generate(onBranch(t, "other", render.DefaultPins(), "a"))
	if text := d.read(push); !strings.Contains(text, "||||||| before\n    branches: [trunk]\n") {
		t.Errorf("the next upgrade does not know the text before it:\n%s", text)
	}
}

// TestNothingIsGuessed upgrades an edited file whose earlier text is nowhere.
func TestNothingIsGuessed(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	d.generate(generated(t, render.DefaultPins(), "a"))
	d.edit(push, editedName, ownName) // before anything was committed
	second := onBranch(t, "trunk", render.DefaultPins(), "a")
	got := d.generate(second)
	want := push + ": edited by hand where it changes: the text before the edit is not in the history; the new text has markers at line 5"
	if !slices.Contains(got, want) {
		t.Errorf("got %q", got)
	}
	for _, s := range []string{"<<<<<<< edited\n" + ownName + "\n", "=======\n" + editedName + "\n", "branches: [main]", "branches: [trunk]"} {
		if !strings.Contains(d.read(push), s) {
			t.Errorf("the conflict does not show %q:\n%s", s, d.read(push))
		}
	}
}

// TestCleanJoinThatCannotBeRead adds at one place what is generated at another.
func TestCleanJoinThatCannotBeRead(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := generated(t, render.DefaultPins(), "a")
	d.generate(first)
	d.commit()
	d.edit(push, "permissions: {}\n", "permissions: {}\nenv: {A: b}\n")
	second := maps.Clone(first)
	second[push] = regenerated(first[push], "jobs:\n", "defaults2: {}\nenv: {C: d}\n\njobs:\n")
	d.generate(second)
	if text := d.read(push); !strings.Contains(text, "<<<<<<<") {
		t.Errorf("a key twice:\n%s", text)
	}
}

// regenerated is a generated text as another version of the generator makes it.
func regenerated(text []byte, from, to string) []byte {
	p := render.ProvenanceOf(text)
	return render.Generated(p.Input, []byte(strings.Replace(string(p.Body), from, to, 1)))
}

// lineNumber stands for the number of the line that has a text.
var lineNumber = regexp.MustCompile(`\{.*?\}`)

// TestDrift tells the kinds of drift apart.
func TestDrift(t *testing.T) {
	t.Parallel()
	first := generated(t, render.DefaultPins(), "a")
	later := render.DefaultPins()
	later["actions/checkout"] = render.Pin{Action: "actions/checkout", Commit: strings.Repeat("a", 40), Version: "v8.1.0"}
	checkout := "actions/checkout@" + render.DefaultPins()["actions/checkout"].Commit + " # v7.0.1"
	bot := func(d *desk) {
		d.edit(".github/workflows/rootfsgen-fleet.yml", checkout, "actions/checkout@"+strings.Repeat("a", 40)+" # v8.1.0")
	}
	for name, c := range map[string]struct {
		do    func(d *desk)
		want  render.Files
		check map[string]string // what is said of some files
	}{
		"a newer generator": {
			want:  map[string][]byte{push: regenerated(first[push], "jobs:\n", "# more\njobs:\n")},
			check: map[string]string{push: "written by another rootfsgen"},
		},
		"an edit": {
			do:    func(d *desk) { d.edit(push, "timeout-minutes: 15", "timeout-minutes: 99") },
			check: map[string]string{push: "edited by hand: line {timeout-minutes: 99}"},
		},
		"an edit of more lines": {
			do:    func(d *desk) { d.edit(push, "name: rootfsgen push\n\non:\n", "name: x\n\n# y\non:\n") },
			check: map[string]string{push: "edited by hand: lines 5-7"},
		},
		"lines are gone": {
			do:    func(d *desk) { d.edit(push, "name: rootfsgen push\n\n", "") },
			check: map[string]string{push: "edited by hand: line 5"},
		},
		"a licence above": {
			do:    func(d *desk) { d.repo.Write(map[string]string{push: "# Copyright Acme\n\n" + d.read(push)}) },
			check: map[string]string{push: "edited by hand: lines 1-2"},
		},
		"a bot": {
			do: bot, want: onBranch(t, "main", later, "a"),
			check: map[string]string{
				fleet:           "a pin moved: actions/checkout v7.0.1 -> v8.1.0; in this file",
				push:            "a pin moved: actions/checkout v7.0.1 -> v8.1.0",
				render.PinsFile: "a pin moved: actions/checkout v7.0.1 -> v8.1.0",
			},
		},
		"a bot and an edit": {
			do:    func(d *desk) { bot(d); d.edit(fleet, "name: rootfsgen fleet", "name: x") },
			want:  onBranch(t, "main", later, "a"),
			check: map[string]string{fleet: "edited by hand: line {name: x}"},
		},
		"the fleet": {
			want:  onBranch(t, "main", render.DefaultPins(), "a", "b"),
			check: map[string]string{fleet: "outdated"},
		},
		"an edit in vain": {
			do:    func(d *desk) { d.edit(render.GitLabFleet, "stage: build", "stage: build # x") },
			check: map[string]string{render.GitLabFleet: "edited by hand in vain: line {stage: build # x}; the plan starts its jobs as they are generated; change a template, or add a job under jobs"},
		},
		"no YAML any more": {
			do:    func(d *desk) { d.edit(push, "jobs:\n", "name: x\njobs:\n") },
			check: map[string]string{push: "edited by hand in vain: line {name: x}; it cannot be read: yaml: unmarshal errors: line {name: x}: mapping key \"name\" already defined at line {name: rootfsgen}"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.generate(first)
			d.commit()
			if c.do != nil {
				c.do(d)
			}
			want := maps.Clone(first)
			maps.Copy(want, c.want)
			said := map[string]string{}
			for _, k := range kinds(d.compare(want).Changes) {
				name, what, _ := strings.Cut(k, ": ")
				said[name] = what
			}
			for name, what := range c.check {
				what = lineNumber.ReplaceAllStringFunc(what, func(s string) string {
					return strconv.Itoa(lineOf(d.read(name), strings.Trim(s, "{}")))
				})
				if said[name] != what {
					t.Errorf("%s: %q, want %q", name, said[name], what)
				}
			}
			for name := range said {
				if len(c.want) == 0 && c.check[name] == "" && !strings.HasPrefix(name, ".rootfsgen/") {
					t.Errorf("%s: %q", name, said[name])
				}
			}
		})
	}
}

// TestPruning removes what the generator wrote and nothing else.
func TestPruning(t *testing.T) {
	t.Parallel()
	first := generated(t, render.DefaultPins(), "a")
	const old = ".github/workflows/rootfsgen-old.yml"
	text := string(regenerated(first[push], "rootfsgen push", "old"))
	for name, c := range map[string]struct {
		disk map[string]string
		link string // old links to it
		want []string
	}{
		"ours":                {disk: map[string]string{old: text}, want: []string{old + ": no longer generated"}},
		"with an edit":        {disk: map[string]string{old: text + "# mine\n"}, want: []string{old + ": edited by hand, but no longer generated: the text before the edit is not in the history"}},
		"a look-alike":        {disk: map[string]string{old: "# Code generated by rootfsgen; DO NOT EDIT.\non: push\n"}, want: []string{old + ": edited by hand, but no longer generated: the text before the edit is not in the history"}},
		"a header inside":     {disk: map[string]string{old: "on: push\n" + text}},
		"a header in a text":  {disk: map[string]string{old: "x: |\n" + "  # Code generated by rootfsgen; DO NOT EDIT.\n"}},
		"another generator's": {disk: map[string]string{old: "# Code generated by rootfsgen-like; DO NOT EDIT.\n"}},
		"a link to ours":      {link: "rootfsgen-push.yml"},
		"a link outside":      {link: "/etc/passwd"},
		"another name":        {disk: map[string]string{".github/workflows/mine.yml": text, ".github/rootfsgen-x.yml": text}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.generate(first)
			d.repo.Write(c.disk)
			if c.link != "" {
				if err := os.Symlink(c.link, filepath.Join(d.repo.Dir, old)); err != nil {
					t.Fatal(err)
				}
			}
			before := len(d.onDisk())
			if diff := cmp.Diff(c.want, d.generate(first)); diff != "" {
				t.Error(diff)
			}
			removed := before - len(d.onDisk())
			if want := strings.Contains(strings.Join(c.want, ""), ": no longer generated"); want != (removed == 1) {
				t.Errorf("%d files are gone", removed)
			}
		})
	}
}

func (d *desk) onDisk() []string {
	d.t.Helper()
	var all []string
	for _, dir := range []string{".github", ".github/workflows", ".gitlab/rootfsgen"} {
		entries, err := os.ReadDir(filepath.Join(d.repo.Dir, dir))
		if err != nil {
			d.t.Fatal(err)
		}
		for _, e := range entries {
			all = append(all, dir+"/"+e.Name())
		}
	}
	return all
}

// TestForce gives edits up, and nothing of other people's.
func TestForce(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	first := generated(t, render.DefaultPins(), "a")
	d.generate(first)
	d.commit()
	d.edit(push, editedName, ownName)
	d.generate(first)
	d.edit(fleet, "name: rootfsgen fleet", "name: x\n<<<<<<< a\n>>>>>>> b\n")
	d.repo.Write(map[string]string{".github/workflows/rootfsgen-old.yml": string(first[push]) + "# mine\n", ".github/workflows/rootfsgen-mine.yml": "on: push\n"})
	found, err := tree.Compare(t.Context(), d.root, first, tree.Options{Past: d.past, Force: true})
	if err != nil {
		t.Fatal(err)
	}
	if err := tree.Apply(d.root, found.Changes); err != nil {
		t.Fatal(err)
	}
	if after := d.compare(first); len(after.Changes) != 0 || len(after.Edits) != 0 || d.read(push) != string(first[push]) {
		t.Errorf("%v %v", kinds(after.Changes), after.Edits)
	}
	if d.read(".github/workflows/rootfsgen-mine.yml") != "on: push\n" {
		t.Error("another's file is gone")
	}
}

// TestAdoptPins takes over what a bot moved, not what was generated.
func TestAdoptPins(t *testing.T) {
	t.Parallel()
	const v8, v9 = "actions/checkout@8888888888888888888888888888888888888888 # v8.0.0", "actions/checkout@9999999999999999999999999999999999999999 # v9.0.0"
	v7 := "actions/checkout@" + render.DefaultPins()["actions/checkout"].Commit + " # v7.0.1"
	for name, c := range map[string]struct {
		do   func(d *desk)
		want string
	}{
		"nothing":                {func(*desk) {}, "v7.0.1"},
		"a bot in a workflow":    {func(d *desk) { d.edit(push, v7, v8) }, "v8.0.0"},
		"two bots":               {func(d *desk) { d.edit(push, v7, v8); d.edit(fleet, v7, v9) }, "v9.0.0"},
		"a step back":            {func(d *desk) { d.edit(push, v7, strings.Replace(v8, "v8.0.0", "v6.0.0", 1)) }, "v7.0.1"},
		"taken back in its file": {func(d *desk) { d.edit(render.PinsFile, v7, strings.Replace(v8, "v8.0.0", "v6.0.0", 1)) }, "v6.0.0"},
		"taken back beside an edit": {func(d *desk) {
			d.edit(render.PinsFile, v7, strings.Replace(v8, "v8.0.0", "v6.0.0", 1))
			d.edit(push, editedName, ownName)
		}, "v6.0.0"},
		"somebody else's file": {func(d *desk) {
			d.repo.Write(map[string]string{".github/workflows/rootfsgen-mine.yml": "jobs:\n  a:\n    steps:\n      - uses: " + v9 + "\n"})
		}, "v7.0.1"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d := newDesk(t)
			d.generate(generated(t, render.DefaultPins(), "a"))
			d.commit()
			c.do(d)
			pins, err := render.ParsePins([]byte(d.read(render.PinsFile)))
			if err != nil {
				t.Fatal(err)
			}
			if err := tree.AdoptPins(t.Context(), d.root, d.past, pins); err != nil {
				t.Fatal(err)
			}
			if got := pins["actions/checkout"].Version; got != c.want {
				t.Errorf("got %s, want %s", got, c.want)
			}
		})
	}
}
