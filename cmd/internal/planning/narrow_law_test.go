package planning

import (
	"fmt"
	"log/slog"
	"maps"
	"path"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// plainOnes are Dockerfiles that narrowing can tell all about, if what they are
// built from is.
var plainOnes = []string{
	"FROM scratch\nCOPY motd /\n", "FROM debian:13\nCOPY . /x/\n", "FROM a\nRUN true\n", "FROM b AS build\nRUN make\nFROM scratch\nCOPY --from=build /x /y\n",
	"FROM g0\nENV A=motd\n", "FROM g1\nCOPY motd one.txt /x/\nCOPY files /f\n", "ARG V=g0\nFROM $V\nCOPY --from=c /x /y\n", "FROM scratch\nCOPY none /\n", "FROM scratch\nCOPY mot /\n", "FROM e\n", "FROM g2\nWORKDIR /x\n",
	"ARG V\nARG V=debian:13\nFROM $V\n", "ARG V=scratch\nFROM $V\nCOPY motd /\n", "FROM scratch AS b-\nFROM b-\n", "ARG X=g\nARG Y=1\nFROM $X$Y\nCOPY motd$A /\n",
	"ARG X=g\nARG Y=1\nFROM Bad AS unused\nFROM $X$Y\nADD https://example.com/$A/x /\n", "ARG X=g\nARG Y=1\nFROM $X$Y$UNSET\nADD https://example.com/$A/x /\n",
}

// drawWide is a fleet with plain images beside those of drawFleet.
func drawWide(t *rapid.T) map[string]history.File {
	files := drawFleet(t)
	if rapid.Bool().Draw(t, "calm") { // else hardly any fleet is without mistakes
		for _, name := range imageNames {
			files["images/"+name+"/Dockerfile"] = history.File{Content: rapid.SampledFrom(plainOnes[:2]).Draw(t, "plain")}
			delete(files, "images/"+name+"/image.yaml")
		}
	}
	if rapid.IntRange(0, 3).Draw(t, "fallback") == 0 {
		files["rootfsgen.yaml"] = history.File{Content: "version: 1\nargs: {V: g0}\n"}
	}
	for i := range 5 {
		dir := fmt.Sprintf("images/g%d/", i)
		files[dir+"Dockerfile"] = history.File{Content: rapid.SampledFrom(plainOnes[:4+min(2*i, len(plainOnes)-4)]).Draw(t, "plain")}
		files[dir+"motd"] = history.File{Content: "g"}
		files[dir+"one.txt"] = history.File{Content: "g"}
		files[dir+"files/more.txt"] = history.File{Content: "g"}
		switch rapid.IntRange(0, 19).Draw(t, "odd") {
		case 0:
			files[dir+"caf\xe9.txt"] = history.File{Content: "g"}
		case 1:
			files[dir+"two.txt"] = history.File{Mode: model.ModeSymlink, Content: "one.txt"}
		}
		if rapid.IntRange(0, 5).Draw(t, "ignores") == 0 {
			files[dir+".dockerignore"] = history.File{Content: rapid.SampledFrom([]string{"*.txt\n", "files\n", "motd\n"}).Draw(t, "ignore")}
		}
	}
	return files
}

// editWide is an edit that leaves the same files there, mostly.
func editWide(t *rapid.T, files map[string]history.File) {
	names := append([]string{"g0", "g1", "g2", "g3", "g4"}, imageNames...)
	dir := "images/" + rapid.SampledFrom(names).Draw(t, "image") + "/"
	switch rapid.IntRange(0, 7).Draw(t, "wide") {
	case 0:
		edit(t, files)
	case 1:
		files[dir+"Dockerfile"] = history.File{Content: rapid.SampledFrom(plainOnes).Draw(t, "plain")}
	case 2:
		files[dir+"Dockerfile"] = history.File{Content: drawDockerfile(t, names, 3)}
	case 3:
		if f, found := files[dir+".dockerignore"]; found {
			files[dir+".dockerignore"] = history.File{Content: f.Content + "one.txt\n"}
		}
	case 4:
		files["shared/motd"] = history.File{Content: "edited"}
	default:
		name := rapid.SampledFrom([]string{"motd", "one.txt", "files/more.txt"}).Draw(t, "file")
		if f := files[dir+name]; f.Mode == 0 {
			files[dir+name] = history.File{Content: "edited"}
		}
	}
}

// outcome is all that is printed or decided of a plan, made with a part of the
// fleet where narrow is set.
type outcome struct {
	said   string
	plan   *model.Plan
	apart  int  // images that were left out
	widens bool // a part was not enough, which was noticed
}

func planBetween(t *rapid.T, now, then map[string]history.File, ci, narrow bool) outcome {
	env := func(name string) string {
		if name == "CI" && ci {
			return "1"
		}
		return ""
	}
	newer, older := history.MemoryFiles(now), history.MemoryFiles(then)
	from := model.Revision{Ref: "then", Tree: "older"}
	s := &Session{
		config: "rootfsgen.yaml", cache: graph.NewCache(), app: &app.App{Env: env, Log: slog.New(slog.DiscardHandler)}, Tree: newer,
		o: Options{brief: true, busy: true, parts: partsAlways}, ahead: &outlook{from: &from},
		differ: &difference{from: from.Tree, changes: changes(newer, older), tree: older},
	}
	if narrow {
		s.plain = map[string]*dockerfile.Plain{}
		for _, e := range newer.Entries() {
			if path.Base(e.Path) != "Dockerfile" {
				continue
			}
			text, err := newer.Read(t.Context(), e.Path)
			if err != nil {
				t.Fatal(err)
			}
			if p, isPlain := dockerfile.ReadPlain(text); isPlain {
				s.plain[e.OID] = p
			}
		}
	}
	ready := make(chan error, 1)
	ready <- nil
	snapshot, list, err := s.whole(t.Context(), model.Revision{Ref: "now"}, newer, ready)
	if err != nil {
		t.Fatal(err)
	}
	out := outcome{said: fmt.Sprintf("%#v", list.Sorted())}
	if s.part != nil {
		out.apart = s.part.Apart()
	}
	if snapshot == nil {
		return out
	}
	s.Now = snapshot
	if s.Then, list, err = s.derived(t.Context(), from, older, s.differ.changes, nil); err != nil {
		t.Fatal(err)
	}
	if s.part != nil && (s.Then == nil || len(s.Then.Unread) > 0 || !s.Then.Graph.Closed()) {
		out.widens = true
		return out
	}
	out.said += fmt.Sprintf("%#v", list.Sorted())
	if s.Then != nil {
		out.said += fmt.Sprintf("%#v", graph.Orphans(s.Then.Graph, s.Now.Graph))
	}
	if out.plan, err = plan.Make(s.Then, s.Now, model.RegistryState{}, plan.Request{Scope: model.ScopeTesting, Brief: true, Busy: true, Idle: out.apart}); err != nil {
		t.Fatal(err)
	}
	return out
}

// TestPartIsWhole plans what one edited tree makes of another, of the whole
// fleet and of a part: nothing that is said may differ.
func TestPartIsWhole(t *testing.T) {
	t.Parallel()
	parts, builds, mistakes, widened, of := 0, 0, 0, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		now := drawWide(t)
		then := maps.Clone(now)
		for range rapid.IntRange(0, 3).Draw(t, "edits") {
			editWide(t, then)
		}
		ci := rapid.IntRange(0, 3).Draw(t, "ci") == 0
		got := planBetween(t, now, then, ci, true)
		of++
		if got.widens {
			widened++
			return
		}
		want := planBetween(t, now, then, ci, false)
		if diff := cmp.Diff(want.said, got.said); diff != "" {
			t.Fatalf("edited %v, %d left out (-whole +part):\n%s", changes(history.MemoryFiles(now), history.MemoryFiles(then)), got.apart, diff)
		}
		if diff := cmp.Diff(want.plan, got.plan); diff != "" {
			t.Fatalf("edited %v, %d left out (-whole +part):\n%s", changes(history.MemoryFiles(now), history.MemoryFiles(then)), got.apart, diff)
		}
		if got.apart > 0 {
			parts++
			if got.plan == nil {
				mistakes++
			} else if slices.ContainsFunc(got.plan.Entries, func(e model.Entry) bool { return e.Action == model.ActionBuild }) {
				builds++
			}
		}
	})
	t.Logf("of %d, %d were planned in part: %d with builds, %d with mistakes; %d had to be widened", of, parts, builds, mistakes, widened)
	if builds*10 < of || mistakes == 0 {
		t.Errorf("of %d plans in part %d build and %d have mistakes: the test says little", of, builds, mistakes)
	}
}
