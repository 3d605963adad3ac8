package planning

import (
	"encoding/json"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestDerivedIsWhole loads pairs of trees of which one was edited into the
// other: what is taken from the newer one must be what is found without it.
func TestDerivedIsWhole(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := drawFleet(t)
		then := maps.Clone(now)
		for range rapid.IntRange(0, 4).Draw(t, "edits") {
			edit(t, then)
		}
		newer, older := history.MemoryFiles(now), history.MemoryFiles(then)
		s := &Session{config: "rootfsgen.yaml", cache: graph.NewCache(), app: &app.App{Env: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler)}}
		ready := make(chan error, 2)
		ready <- nil
		snapshot, list, err := s.whole(t.Context(), model.Revision{Ref: "now"}, newer, ready)
		if err != nil {
			t.Fatal(err)
		}
		if snapshot == nil {
			if !list.HasErrors() {
				t.Fatal("there is nothing, and no error")
			}
			return
		}
		s.Now, s.Tree = snapshot, newer
		got, _, err := s.derived(t.Context(), model.Revision{Ref: "then"}, older, changes(newer, older), nil)
		if err != nil {
			t.Fatal(err)
		}
		other := &Session{config: s.config, lock: []byte("of a desk"), cache: graph.NewCache(), app: s.app, Tree: older}
		other.Now = &plan.Snapshot{Fleet: &model.Fleet{}, Graph: &graph.Graph{}}
		want, _, err := other.derived(t.Context(), model.Revision{Ref: "then"}, older, changes(newer, older), nil)
		if err != nil {
			t.Fatal(err)
		}
		if (got == nil) != (want == nil) {
			t.Fatalf("derived %v, whole %v", got, want)
		}
		if got != nil {
			if diff := cmp.Diff(shown(want), shown(got)); diff != "" {
				t.Fatalf("edited %v (-whole +derived):\n%s", changes(newer, older), diff)
			}
		}
	})
}

// shown is all that a plan takes of a snapshot.
func shown(s *plan.Snapshot) map[string]string {
	out := map[string]string{"unread": fmt.Sprint(s.Unread)}
	for id, k := range s.Keys {
		n, _ := s.Graph.Node(id)
		recipe, err := json.Marshal(k.Recipe())
		if err != nil {
			panic(err)
		}
		out[id.String()] = fmt.Sprintf("%s %v %s %d %s\n%s", k.Digest, k.Parents, k.TestsKey, n.Wave, recipe, k.Form())
	}
	for i, id := range s.Graph.Targets() {
		out[fmt.Sprint(i)] = fmt.Sprint(id, s.Graph.Children(id))
	}
	return out
}

func changes(now, then model.Tree) []history.Change {
	var out []history.Change
	for _, e := range then.Entries() {
		if n, _ := now.Lookup(e.Path); n != e {
			out = append(out, history.Change{Path: e.Path, Old: e, New: n})
		}
	}
	for _, e := range now.Entries() {
		if _, found := then.Lookup(e.Path); !found {
			out = append(out, history.Change{Path: e.Path, New: e})
		}
	}
	slices.SortFunc(out, func(a, b history.Change) int { return strings.Compare(a.Path, b.Path) })
	return out
}

var imageNames = []string{"a", "b", "c", "d", "e"}

// settingsOf are kinds of settings; all leave bare names to the fleet.
var settingsOf = []string{
	"version: 1\n",
	"version: 1\nargs: {RELEASE: \"9\"}\n",
	"version: 1\nargs: {RELEASE: \"8\"}\n",
	"version: 1\nrepositories: [\"\", example.com/ours]\n",
	"version: 1\ndetect: folder\n",
	"version: 1\nimages: [{root: images}]\n",
	"colour: blue\n",
}

var lockOf = []string{
	"version: 1\n",
	"version: 1\nbases:\n  docker.io/library/debian:13:\n    digest: sha256:" + strings.Repeat("1", 64) + "\n    platforms:\n" +
		"      linux/amd64: {digest: \"sha256:" + strings.Repeat("2", 64) + "\", config: {env: [A=locked]}}\n" +
		"      linux/arm64: {digest: \"sha256:" + strings.Repeat("3", 64) + "\", config: {env: [A=locked]}}\n",
	"version: 1\nbases:\n  docker.io/library/debian:13:\n    digest: sha256:" + strings.Repeat("1", 64) + "\n    platforms:\n" +
		"      linux/amd64: {digest: \"sha256:" + strings.Repeat("2", 64) + "\", config: {env: [A=files], onbuild: [COPY motd /on]}}\n" +
		"      linux/arm64: {digest: \"sha256:" + strings.Repeat("3", 64) + "\", config: {env: [A=locked]}}\n",
}

var yamls = []string{
	"label: x\n", "context: /shared\n", "context: /shared\n", "component_version: \"2\"\n", "args: {RELEASE: \"7\"}\n", "context: .\n", "context: /\n", "inputs: [/shared]\n", "inputs: [/shared/motd]\n",
	"rebuild: 2\n", "arch: amd64\n", "id: other\n", "stage: first\n", "tests: [{cmd: \"true\"}]\n", "contexts: {lib: /shared}\n", "contexts: {a: /images/c/files}\n", "colour: blue\n",
	"builder: debian\nsuite: trixie\n",
}

var lines = []string{
	"COPY . /all", "COPY link.txt /l", "COPY link.txt /l", "COPY motd /", "COPY files/ /f", "COPY *.txt /t/", "COPY fi*/m* /g/", "COPY $A /env", "ENV A=files", "ENV A=motd", "ARG RELEASE=1", "ENV R=$RELEASE",
	"ARG TARGETARCH", "COPY motd-${TARGETARCH} /", "ONBUILD COPY motd /on", "ONBUILD ENV A=files", "RUN --mount=type=bind,target=/x true", "COPY --from=a / /a",
	"COPY --from=lib / /lib", "RUN --mount=type=bind,from=debian:13,target=/y true", "RUN true # comment", "COPY --parents files/./m* /p", "COPY shared /s", "WORKDIR /x", "FROM debian:13 AS first", "FROM scratch",
	"COPY none /none", "BROKEN",
}

// froms are what an image may be built from, beside the images before it.
var froms = []string{"scratch", "debian:13", "debian:${RELEASE}", "--platform=linux/amd64 debian:13", "example.com/ours/a", "a:2", "a:latest", "--platform=linux/amd64 a"}

func drawFleet(t *rapid.T) map[string]history.File {
	files := map[string]history.File{}
	put := func(path, content string) { files[path] = history.File{Content: content} }
	put("rootfsgen.yaml", rapid.SampledFrom(settingsOf[:len(settingsOf)-1]).Draw(t, "settings"))
	put("shared/motd", "shared")
	put("shared/files/x.txt", "shared")
	files["shared/link.txt"] = history.File{Mode: model.ModeSymlink, Content: "files/x.txt"}
	put("docs/readme.md", "docs")
	put("images.lock", rapid.SampledFrom(lockOf).Draw(t, "lock"))
	for i, name := range imageNames {
		dir := "images/" + name + "/"
		put(dir+"Dockerfile", drawDockerfile(t, imageNames[:i], 4))
		put(dir+"motd", name)
		put(dir+"motd-amd64", "amd64")
		put(dir+"motd-arm64", "arm64")
		put(dir+"files/more.txt", name)
		put(dir+"one.txt", name)
		if rapid.IntRange(0, 2).Draw(t, "described") == 0 {
			put(dir+"image.yaml", rapid.SampledFrom(yamls[:len(yamls)-2]).Draw(t, "yaml"))
		}
		if rapid.IntRange(0, 5).Draw(t, "ignores") == 0 {
			put(dir+".dockerignore", rapid.SampledFrom([]string{"*.txt\n", "files\n", "motd\n"}).Draw(t, "ignore"))
		}
		if rapid.IntRange(0, 7).Draw(t, "links") == 0 {
			files[dir+"two.txt"] = history.File{Mode: model.ModeSymlink, Content: rapid.SampledFrom([]string{"one.txt", "files/more.txt", "/motd"}).Draw(t, "link")}
		}
	}
	return files
}

func drawDockerfile(t *rapid.T, earlier []string, most int) string {
	b := "ARG RELEASE=13\nFROM " + rapid.SampledFrom(slices.Concat(froms[:4], earlier, earlier, froms[4:4+min(len(earlier), 1)*4])).Draw(t, "from") + "\n"
	for range rapid.IntRange(0, most).Draw(t, "lines") {
		b += rapid.SampledFrom(lines[:len(lines)-2]).Draw(t, "line") + "\n"
	}
	return b
}

// edit changes one file in a way that people do.
func edit(t *rapid.T, files map[string]history.File) {
	dir := "images/" + rapid.SampledFrom(imageNames).Draw(t, "image") + "/"
	switch rapid.IntRange(0, 15).Draw(t, "edit") {
	case 0:
		files[dir+"Dockerfile"] = history.File{Content: drawDockerfile(t, imageNames, 3) + rapid.SampledFrom(lines).Draw(t, "last") + "\n"}
	case 1:
		files[dir+"motd"] = history.File{Content: "edited"}
	case 2:
		delete(files, dir+"motd")
	case 3:
		files[dir+"files/more.txt"] = history.File{Content: "edited", Mode: model.ModeExecutable}
	case 4:
		files[dir+"image.yaml"] = history.File{Content: rapid.SampledFrom(yamls).Draw(t, "yaml")}
	case 5:
		delete(files, dir+"image.yaml")
	case 6:
		files["rootfsgen.yaml"] = history.File{Content: rapid.SampledFrom(settingsOf).Draw(t, "settings")}
	case 7:
		files["images.lock"] = history.File{Content: rapid.SampledFrom(lockOf).Draw(t, "lock")}
	case 8:
		files["shared/motd"] = history.File{Content: "edited"}
	case 9:
		files[dir+".dockerignore"] = history.File{Content: "*.txt\n"}
	case 10:
		files[dir+"new.txt"] = history.File{Content: "new"}
	case 11:
		files[dir+"one.txt"] = history.File{Mode: model.ModeSymlink, Content: "motd"}
	case 12:
		for path := range maps.Clone(files) {
			if strings.HasPrefix(path, dir) {
				delete(files, path)
			}
		}
	case 14:
		files["shared/.dockerignore"] = history.File{Content: rapid.SampledFrom([]string{"motd\n", "files\n"}).Draw(t, "ignore")}
	case 15:
		files["shared/files/x.txt"] = history.File{Content: "edited"}
	case 13:
		files["images/f/Dockerfile"] = history.File{Content: drawDockerfile(t, imageNames, 2)}
	}
}
