package key

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// world is everything that keys are computed from.
type world struct {
	files  map[string]history.File
	images map[string]*model.Image
	lock   model.Lock
}

func digest(c string) model.Digest { return model.Digest("sha256:" + strings.Repeat(c, 64)) }

const busybox = "docker.io/library/busybox:1.36"

// newWorld is a small fleet: deb (of packages) <- base <- app -> tool, other.
func newWorld() *world {
	w := &world{files: map[string]history.File{}, images: map[string]*model.Image{}}
	for name, text := range map[string]string{
		"base":  "FROM deb\nCOPY etc /etc\n",
		"tool":  "FROM busybox:1.36\nADD t /t\n",
		"other": "FROM scratch\nCOPY . /\n",
		"app": "ARG BASE=base\nFROM ${BASE} AS base\nARG VERSION=1\nARG UNUSED\nCOPY *.py lib /app/\nCOPY --from=tool /t /t\nCOPY link /l\n" +
			"FROM docker.io/library/python:3 AS unreached\nCOPY nothing /\nFROM base AS last\nRUN --mount=type=bind,source=in,target=/in true\n",
	} {
		dir := "images/" + name
		w.images[name] = &model.Image{
			ID: name, ImageName: name, ComponentVersion: "1", Dir: dir, Context: dir, Dockerfile: dir + "/Dockerfile",
			Builder: model.BuilderDockerfile, Platforms: []model.Platform{model.LinuxAMD64, model.LinuxARM64},
		}
		w.put(dir+"/Dockerfile", text)
		w.put(dir+"/README.md", name)
	}
	w.images["deb"] = &model.Image{
		ID: "deb", ImageName: "deb", ComponentVersion: "1", Dir: "images/deb", Builder: model.BuilderDebian, Context: "images/deb",
		Platforms: []model.Platform{model.LinuxAMD64, model.LinuxARM64},
		Debian:    model.Debian{Suite: "bookworm", Variant: "minbase", Packages: []string{"ca-certificates"}},
	}
	for _, p := range []string{"base/etc/a", "tool/t", "app/a.py", "app/b.py", "app/lib/x/y", "app/in/z", "app/target", "app/tests/t.sh", "other/x"} {
		w.put("images/"+p, p)
	}
	w.files["images/app/link"] = history.File{Mode: model.ModeSymlink, Content: "target"}
	w.put("images/app/.dockerignore", "**/*.tmp\n")
	w.put("shared/input", "s")
	w.images["app"].Inputs = []string{"shared"}
	w.lockBusybox("b", "b")
	w.lock.Debian = map[string]model.LockedSuite{"bookworm": {InRelease: digest("d"), Images: map[string]map[string]string{
		"deb linux/amd64": {"dpkg": "1.21", "libc6": "2.36"}, "deb linux/arm64": {"dpkg": "1.21", "libc6": "2.36"},
	}}}
	return w
}

func (w *world) put(path, content string) { w.files[path] = history.File{Content: content} }

// lockBusybox locks the outside base, with a digest for each platform.
func (w *world) lockBusybox(amd64, arm64 string) {
	w.lock.Bases = map[string]model.LockedBase{busybox: {Digest: digest("a"), Platforms: map[string]model.LockedVariant{
		"linux/amd64": {Digest: digest(amd64), Config: model.BaseConfig{Env: []string{"A=1"}}},
		"linux/arm64": {Digest: digest(arm64), Config: model.BaseConfig{Env: []string{"A=1"}}},
	}}}
}

// edit replaces text in an image's Dockerfile.
func (w *world) edit(image, old, now string) {
	p := "images/" + image + "/Dockerfile"
	w.put(p, strings.Replace(w.files[p].Content, old, now, 1))
}

func (w *world) fleet() *model.Fleet {
	f := &model.Fleet{Settings: model.Settings{Repositories: []string{""}}, Lock: w.lock}
	for _, id := range slices.Sorted(maps.Keys(w.images)) {
		f.Images = append(f.Images, *w.images[id])
	}
	return f
}

// keys computes all keys; mistakes end the test.
func (w *world) keys(t interface{ Fatal(args ...any) }) map[model.TargetID]*Key {
	fleet, tree := w.fleet(), history.MemoryFiles(w.files)
	g, list, err := graph.Build(context.Background(), fleet, tree, graph.Options{CI: true})
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	keys, list, err := Compute(context.Background(), fleet, g, tree)
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	return keys
}

func amd64(image string) model.TargetID {
	return model.TargetID{Image: image, Tag: "1", Platform: model.LinuxAMD64}
}

// changed are the images whose keys differ on linux/amd64.
func changed(a, b map[model.TargetID]*Key) string {
	var out []string
	for id, k := range a {
		if other, found := b[id]; id.Platform == model.LinuxAMD64 && (!found || other.Digest != k.Digest) {
			out = append(out, id.Image)
		}
	}
	slices.Sort(out)
	return strings.Join(out, " ")
}

func show(reasons []model.Reason) []string {
	var out []string
	for _, r := range reasons {
		s := r.Kind
		for _, part := range []string{r.Path, r.Name, r.Detail} {
			if part != "" {
				s += " " + part
			}
		}
		if len(r.Old) < 40 && len(r.New) < 40 {
			s += fmt.Sprintf(": %s -> %s", r.Old, r.New)
		}
		out = append(out, s)
	}
	return out
}

func TestTestsKey(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.images["app"].Tests = []model.Test{{Name: "n", Cmd: "c"}}
	a := w.keys(t)[amd64("app")]
	w.images["app"].Tests[0].Cmd = "d"
	b := w.keys(t)[amd64("app")]
	if a.Digest != b.Digest || a.TestsKey == b.TestsKey {
		t.Errorf("keys %s and %s, tests %s and %s", a.Digest.Short(), b.Digest.Short(), a.TestsKey.Short(), b.TestsKey.Short())
	}
}

// The text is the key format: it changes only together with Format.
func TestForm(t *testing.T) {
	t.Parallel()
	keys := newWorld().keys(t)
	parent := func(image string) string { return keys[amd64(image)].Digest.String() }
	blob := func(s string) string {
		e, _ := history.Memory(map[string]string{"x": s}).Lookup("x")
		return "git:" + e.OID
	}
	want := strings.Join([]string{
		"format key rootfsgen-key/1",
		"platform target linux/amd64",
		"option builder dockerfile",
		"instruction 1 ARG BASE=base",
		"instruction 2 FROM ${BASE} AS base",
		"instruction 3 ARG VERSION=1",
		"instruction 4 ARG UNUSED",
		"instruction 5 COPY *.py lib /app/",
		"instruction 6 COPY --from=tool /t /t",
		"instruction 7 COPY link /l",
		"instruction 8 FROM base AS last",
		"instruction 9 RUN --mount=type=bind,source=in,target=/in true",
		"context base base:1",
		"context tool tool:1",
		"parent base:1 " + parent("base"),
		"parent tool:1 " + parent("tool"),
		"file a.py 100644 " + blob("app/a.py"),
		"file b.py 100644 " + blob("app/b.py"),
		"file in/z 100644 " + blob("app/in/z"),
		"file lib/x/y 100644 " + blob("app/lib/x/y"),
		"file link 120000 " + blob("target"),
		"file target 100644 " + blob("app/target"),
		"input shared/input 100644 " + blob("s"),
	}, "\n") + "\n"
	k := keys[amd64("app")]
	if diff := gocmp.Diff(want, k.Form().String()); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
	if k.Digest != model.DigestOf([]byte(want)) {
		t.Error("the key is not the digest of the form")
	}
	want = strings.Join([]string{
		"format key rootfsgen-key/1", "platform target linux/amd64", "option builder debian/1", "option packages ca-certificates",
		"option suite bookworm", "option variant minbase", "base dpkg 1.21", "base libc6 2.36",
	}, "\n") + "\n"
	if diff := gocmp.Diff(want, keys[amd64("deb")].Form().String()); diff != "" {
		t.Errorf("form (-want +got):\n%s", diff)
	}
}

// TestRecipeSpareArgs has an argument that only the FROM of a stage takes that
// is not reached: the builder gets it.
func TestRecipeSpareArgs(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.put("images/tool/Dockerfile", "ARG A\nFROM $A AS spare\nFROM scratch\nCOPY . /\n")
	w.images["tool"].Args = map[string]string{"A": "busybox"}
	r := w.keys(t)[amd64("tool")].Recipe()
	if diff := gocmp.Diff(map[string]string{"A": "busybox"}, r.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
}

func TestRecipe(t *testing.T) {
	t.Parallel()
	w := newWorld()
	w.images["app"].Args = map[string]string{"VERSION": "2"}
	keys := w.keys(t)
	r := keys[amd64("app")].Recipe()
	if diff := gocmp.Diff([]model.NamedContext{{Ref: "rootfsgen.invalid/base", Parent: "base:1"}, {Ref: "tool", Parent: "tool:1"}}, r.Contexts); diff != "" {
		t.Errorf("contexts (-want +got):\n%s", diff)
	}
	if diff := gocmp.Diff([]model.Rewrite{{Line: 2, Col: 6, Old: "${BASE}", New: "rootfsgen.invalid/base"}}, r.Rewrites); diff != "" {
		t.Errorf("rewrites (-want +got):\n%s", diff)
	}
	content, err := r.Rewritten([]byte(w.files["images/app/Dockerfile"].Content))
	if err != nil || !strings.Contains(string(content), "\nFROM rootfsgen.invalid/base AS base\n") {
		t.Errorf("%s, %v", content, err)
	}
	if diff := gocmp.Diff(map[string]string{"VERSION": "2"}, r.Args); diff != "" {
		t.Errorf("arguments (-want +got):\n%s", diff)
	}
	if r.Dockerfile == nil || r.Dockerfile.Path != "images/app/Dockerfile" || r.Context != "images/app" || len(r.Files) != 6 {
		t.Errorf("%+v", r)
	}
	source := keys[amd64("tool")].Recipe().Contexts
	if diff := gocmp.Diff([]model.NamedContext{{Ref: "busybox:1.36", Source: "docker.io/library/busybox@" + string(digest("b"))}}, source); diff != "" {
		t.Errorf("contexts (-want +got):\n%s", diff)
	}
	deb := keys[amd64("deb")].Recipe()
	if deb.Debian == nil || deb.Packages["libc6"] != "2.36" || deb.Dockerfile != nil {
		t.Errorf("%+v", deb)
	}
}
