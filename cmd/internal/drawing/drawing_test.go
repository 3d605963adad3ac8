package drawing

import (
	"context"
	"encoding/json"
	"fmt"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// fleet is a graph of Dockerfiles by image, one of which may need but one
// platform.
func fleet(t *testing.T, dockerfiles map[string]string) *graph.Graph {
	t.Helper()
	ctx := context.Background()
	files := map[string]string{"rootfsgen.yaml": "version: 1\nrepositories: [\"\"]\n"}
	for image, text := range dockerfiles {
		files["images/"+image+"/Dockerfile"] = text
		if strings.HasPrefix(image, "gpu") {
			files["images/"+image+"/image.yaml"] = "gpu: true\n"
		}
	}
	tree := history.Memory(files)
	loaded, list, err := source.Load(ctx, tree, source.Options{})
	if err != nil || list.HasErrors() {
		t.Fatalf("%v %v", err, list)
	}
	g, list, err := graph.Build(ctx, loaded, tree, graph.Options{})
	if err != nil || list.HasErrors() {
		t.Fatalf("%v %v", err, list)
	}
	return g
}

func small(t *testing.T) *graph.Graph {
	t.Helper()
	return fleet(t, map[string]string{
		"base":    "FROM docker.io/library/debian:12\n",
		"tool":    "FROM scratch\n",
		"python":  "FROM base\nCOPY --from=tool /t /t\n",
		"app":     "FROM python\nCOPY --from=tool /t /t\nCOPY --from=base /x /x\n",
		"gpu":     "FROM python\n",
		"special": "ARG TARGETARCH\nFROM base AS amd64\nFROM tool AS arm64\nFROM ${TARGETARCH}\n",
	})
}

func TestText(t *testing.T) {
	t.Parallel()
	changed := map[model.TargetID]bool{{Image: "app", Tag: "0"}: true}
	want := `6 images: 2 in wave 0, 2 in wave 1, 2 in wave 2; linux/amd64, linux/arm64
base:0
├─ python:0 + tool:0
│  ├─ app:0 + base:0 + tool:0 (changed)
│  └─ gpu:0 [linux/amd64]
└─ special:0 only on linux/amd64 + tool:0 on linux/arm64
tool:0
`
	if diff := cmp.Diff(want, New(small(t), Options{Changed: changed}).Text(false)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if got := New(small(t), Options{Only: map[model.TargetID]bool{}}).Text(false); got != "no images\n" {
		t.Errorf("got %q", got)
	}
}

func TestLeavesAreFolded(t *testing.T) {
	t.Parallel()
	files := map[string]string{"base": "FROM scratch\n"}
	for i := range 12 {
		files[fmt.Sprintf("leaf%02d", i)] = "FROM base\n"
	}
	d := New(fleet(t, files), Options{Changed: map[model.TargetID]bool{{Image: "leaf11", Tag: "0"}: true}})
	want := "base:0\n└─ leaf00:0, leaf01:0, leaf02:0 and 9 more (1 of 12 changed)\n"
	if _, got, _ := strings.Cut(d.Text(false), "\n"); got != want {
		t.Errorf("got %q, want %q", got, want)
	}
	if got := strings.Count(d.Text(true), "\n"); got != 14 {
		t.Errorf("%d lines of all", got)
	}
}

func TestFormats(t *testing.T) {
	t.Parallel()
	d := New(small(t), Options{Bases: true, Changed: map[model.TargetID]bool{{Image: "gpu", Tag: "0"}: true}})
	for name, c := range map[string]struct{ got, want string }{
		"a box":                  {d.DOT(), `  "base:0";`},
		"an ellipse":             {d.DOT(), `  "docker.io/library/debian:12" [shape=ellipse, style=dashed];`},
		"what changed":           {d.DOT(), `  "gpu:0" [style=filled, fillcolor=lightyellow];`},
		"an arrow":               {d.DOT(), `  "base:0" -> "python:0";`},
		"an arrow of a platform": {d.DOT(), `  "tool:0" -> "special:0" [label="linux/arm64"];`},
		"a box in Mermaid":       {d.Mermaid(), `  n0["base:0"]`},
		"a base in Mermaid":      {d.Mermaid(), `(["docker.io/library/debian:12"])`},
		"its arrow":              {d.Mermaid(), `  n0 --> n2`},
		"a class":                {d.Mermaid(), `classDef changed stroke-width:4px`},
	} {
		if !strings.Contains(c.got, c.want) {
			t.Errorf("%s: no %q in\n%s", name, c.want, c.got)
		}
	}
	text, err := d.JSON()
	if err != nil {
		t.Fatal(err)
	}
	var back Drawing
	if err := json.Unmarshal([]byte(text), &back); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(d, &back); diff != "" {
		t.Errorf("JSON does not come back as it was:\n%s", diff)
	}
	for range 10 {
		again := New(small(t), Options{Bases: true, Changed: map[model.TargetID]bool{{Image: "gpu", Tag: "0"}: true}})
		if again.DOT() != d.DOT() || again.Mermaid() != d.Mermaid() || again.Text(false) != d.Text(false) {
			t.Fatal("the same graph was drawn in two ways")
		}
	}
}

// Whatever something is called, it is a name and nothing else.
func TestHostileNames(t *testing.T) {
	t.Parallel()
	const name = "a\"];x -> y;\\\" end\n<b>`%%{init}%%` |z| \x1b[31m#quot;"
	d := &Drawing{Nodes: []Node{{Name: name}, {Name: `b\`, Wave: 1}}, Edges: []Edge{{From: name, To: `b\`}}}
	dot := regexp.MustCompile(`^digraph fleet \{\n  rankdir=LR;\n  node \[shape=box\];\n(?:  "(?:[^"\\\n]|\\["\\])*"(?: -> "(?:[^"\\\n]|\\["\\])*")?;\n){3}\}\n$`)
	if got := d.DOT(); !dot.MatchString(got) {
		t.Errorf("DOT:\n%s", got)
	}
	mermaid := regexp.MustCompile(`^flowchart LR\n(?:  n\d\["(?:[A-Za-z0-9 ,./:_-]|\x{fffd}|#\d+;)*"\]\n){2}  n0 --> n1\n$`)
	if got := d.Mermaid(); !mermaid.MatchString(got) {
		t.Errorf("Mermaid:\n%s", got)
	}
	if got := d.Text(true); strings.Contains(got, "\x1b") || strings.Count(got, "\n") != 3 {
		t.Errorf("text %q", got)
	}
}
