package layouts

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// files are the files of a repository, by path.
type files = map[string]history.File

// layout is one folder of testdata.
type layout struct {
	name string
	tree files // with rootfsgen.yaml
}

// eachLayout runs a test for every layout.
func eachLayout(t *testing.T, test func(*testing.T, layout)) {
	t.Helper()
	entries, err := os.ReadDir("testdata")
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		t.Run(e.Name(), func(t *testing.T) {
			t.Parallel()
			l := layout{name: e.Name()}
			l.tree = readTree(t, l.read(t, "tree.txtar"))
			l.tree[source.DefaultConfig] = history.File{Content: l.read(t, source.DefaultConfig)}
			test(t, l)
		})
	}
}

// read is one of the layout's own files; empty where there is none.
func (l layout) read(t *testing.T, name string) string {
	t.Helper()
	b, err := os.ReadFile(filepath.Join("testdata", l.name, name))
	if err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
	return string(b)
}

// lines are the lines of one of the layout's files that say something.
func (l layout) lines(t *testing.T, name string) []string {
	t.Helper()
	var out []string
	for line := range strings.Lines(l.read(t, name)) {
		if line = strings.TrimRight(line, " \n"); line != "" && !strings.HasPrefix(line, "#") {
			out = append(out, line)
		}
	}
	return out
}

// readTree reads an archive in which "a -> b" is a link, "a (executable)" a
// program and "a (submodule)" another repository's commit.
func readTree(t *testing.T, archive string) files {
	t.Helper()
	tree := files{}
	for _, f := range txtar.Parse([]byte(archive)).Files {
		name, file := f.Name, history.File{Mode: model.ModeFile, Content: string(f.Data)}
		if link, to, is := strings.Cut(name, " -> "); is {
			name, file = link, history.File{Mode: model.ModeSymlink, Content: to}
		}
		if program, is := strings.CutSuffix(name, " (executable)"); is {
			name, file.Mode = program, model.ModeExecutable
		}
		if module, is := strings.CutSuffix(name, " (submodule)"); is {
			name, file.Mode = module, model.ModeGitlink
		}
		if _, twice := tree[name]; twice {
			t.Fatalf("%s is there twice", name)
		}
		tree[name] = file
	}
	return tree
}

// snapshot loads a repository as a plan does on a desk.
func snapshot(t *testing.T, tree files) (*plan.Snapshot, diag.List) {
	t.Helper()
	ctx, root := t.Context(), history.MemoryFiles(tree)
	fleet, list, err := source.Load(ctx, root, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, more, err := graph.Build(ctx, fleet, root, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	list = append(list, more...)
	if err := list.Err(); err != nil {
		return &plan.Snapshot{Fleet: fleet, Graph: g}, list
	}
	keys, more, err := key.Compute(ctx, fleet, g, root)
	if err != nil {
		t.Fatal(err)
	}
	return &plan.Snapshot{Fleet: fleet, Graph: g, Keys: keys}, append(list, more...)
}

// name is what an image is called in the layout's files.
func name(dockerfile string) string { return strings.TrimSuffix(dockerfile, "/Dockerfile") }

// names are the names of a fleet's images by node.
func names(fleet *model.Fleet) map[model.TargetID]string {
	out := map[model.TargetID]string{}
	for i := range fleet.Images {
		out[fleet.Images[i].Node()] = name(fleet.Images[i].Dockerfile)
	}
	return out
}

// edges lists what is built from what, as edges.txt does.
func edges(s *plan.Snapshot) []string {
	name, found := names(s.Fleet), map[string]bool{}
	for _, id := range s.Graph.Targets() {
		n, _ := s.Graph.Node(id)
		child := name[id.AllPlatforms()]
		for _, e := range n.Parents {
			found[child+" <- "+name[e.To.AllPlatforms()]] = true
		}
		for _, b := range n.Bases {
			found[child+" <= "+b.Normalized] = true
		}
		if len(n.Parents)+len(n.Bases) == 0 {
			found[child+" <= nothing"] = true
		}
	}
	return slices.Sorted(maps.Keys(found))
}

// found lists mistakes and warnings as diagnostics.txt does, but for bases
// that are not locked: that is every one here.
func found(list diag.List) []string {
	all := map[string]bool{}
	for _, d := range list {
		if d.Rule != graph.RuleUnlocked {
			all[fmt.Sprintf("%s %s %s", d.Severity, d.Rule, d.Pos.File)] = true
		}
	}
	return slices.Sorted(maps.Keys(all))
}

// affected lists what a plan from one tree to another builds.
func affected(t *testing.T, then, now *plan.Snapshot) []string {
	t.Helper()
	p, err := plan.Make(then, now, model.RegistryState{}, plan.Request{Scope: model.ScopeTesting, Date: "2026.11.21"})
	if err != nil {
		t.Fatal(err)
	}
	name, built := names(now.Fleet), map[string]bool{}
	for i := range p.Entries {
		if p.Entries[i].Action == model.ActionBuild {
			built[name[p.Entries[i].ID().AllPlatforms()]] = true
		}
	}
	return slices.Sorted(maps.Keys(built))
}
