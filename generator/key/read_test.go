package key

import (
	"context"
	"maps"
	"slices"
	"strings"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// scene is one image with what it reads.
type scene struct {
	files    map[string]history.File
	image    model.Image
	settings model.Settings
	lock     model.Lock
}

// newScene makes a scene of a Dockerfile and files, each with its path as its
// content; "a -> b" is a link, and "m submodule" a submodule.
func newScene(dockerfile string, paths ...string) *scene {
	s := &scene{files: map[string]history.File{}, image: model.Image{
		ID: "it", ImageName: "it", ComponentVersion: "1", Dir: "i", Context: "i", Dockerfile: "i/Dockerfile",
		Builder: model.BuilderDockerfile, Platforms: []model.Platform{model.LinuxAMD64},
	}}
	for _, p := range append(paths, "i/Dockerfile") {
		link, text, isLink := strings.Cut(p, " -> ")
		module, isModule := strings.CutSuffix(p, " submodule")
		switch {
		case isLink:
			s.files[link] = history.File{Mode: model.ModeSymlink, Content: text}
		case isModule:
			s.files[module] = history.File{Mode: model.ModeGitlink, Content: "1"}
		default:
			s.put(p, p)
		}
	}
	s.put("i/Dockerfile", dockerfile)
	return s
}

func (s *scene) put(path, content string) {
	f := s.files[path]
	f.Content = content
	s.files[path] = f
}

func (s *scene) move(from, to string) {
	s.files[to] = s.files[from]
	delete(s.files, from)
}

// key is that of a desk, where what only makes a build fail is no error.
func (s *scene) key(t *testing.T) *Key {
	t.Helper()
	fleet := &model.Fleet{Settings: s.settings, Lock: s.lock, Images: []model.Image{s.image}}
	for _, id := range []string{"one", "two"} {
		parent := s.image
		parent.ID, parent.ImageName, parent.Dir, parent.Context, parent.Dockerfile, parent.Contexts = id, id, id, id, id+"/Dockerfile", nil
		s.put(parent.Dockerfile, "FROM scratch\nLABEL of="+id+"\n")
		fleet.Images = append(fleet.Images, parent)
	}
	fleet.Settings.Repositories = []string{""}
	tree := history.MemoryFiles(s.files)
	g, list, err := graph.Build(context.Background(), fleet, tree, graph.Options{})
	if err != nil || list.HasErrors() {
		t.Fatal(list, err)
	}
	keys, list, err := Compute(context.Background(), fleet, g, tree)
	if err != nil || len(list) > 0 {
		t.Fatal(list, err)
	}
	return keys[amd64("it")]
}

// What an instruction can read is in the key, and nothing else.
func TestReads(t *testing.T) {
	t.Parallel()
	const copyAll = "FROM scratch\nCOPY . /\n"
	contexts := func(all ...string) func(*scene) {
		return func(s *scene) {
			s.image.Contexts = map[string]string{}
			for _, c := range all {
				name, value, _ := strings.Cut(c, "=")
				s.image.Contexts[name] = value
			}
		}
	}
	folder := func(s *scene) { s.settings.Detect = model.DetectFolder }
	for _, c := range []struct {
		name    string
		scene   *scene
		prepare func(*scene)
		edit    func(*scene)
		changes bool
	}{
		{"excluded", newScene("FROM scratch\nCOPY --exclude=*.md d /\n", "i/d/a.md", "i/d/b"), nil, func(s *scene) { s.put("i/d/a.md", "new") }, false},
		{"not excluded", newScene("FROM scratch\nCOPY --exclude=*.md d /\n", "i/d/a.md", "i/d/b"), nil, func(s *scene) { s.put("i/d/b", "new") }, true},
		{"behind the pivot", newScene("FROM scratch\nCOPY --parents d/./**/*.go /\n", "i/d/a/b/c.go"), nil, func(s *scene) { s.put("i/d/a/b/c.go", "new") }, true},
		{"beside the pattern", newScene("FROM scratch\nCOPY --parents d/./**/*.go /\n", "i/d/a/b/c.go", "i/d/x"), nil, func(s *scene) { s.put("i/d/x", "new") }, false},
		{"link or not", newScene("FROM scratch\nCOPY a /\n", "i/a"), nil, func(s *scene) { s.put("i/Dockerfile", "FROM scratch\nCOPY --link a /\n") }, true},
		{"a here-document", newScene("FROM scratch\nCOPY <<E /a\nx\nE\n"), nil, func(s *scene) { s.put("i/Dockerfile", "FROM scratch\nCOPY <<E /a\ny\nE\n") }, true},
		{"a path by an argument", newScene("FROM scratch\nARG V=1\nCOPY $V/a /\n", "i/1/a", "i/2/a"), nil, func(s *scene) { s.put("i/2/a", "new") }, false},
		{"a path by another argument", newScene("FROM scratch\nARG V=1\nCOPY $V/a /\n", "i/1/a", "i/2/a"), func(s *scene) { s.image.Args = map[string]string{"V": "2"} }, func(s *scene) { s.put("i/2/a", "new") }, true},
		{"the whole context when a variable is not known", newScene("FROM busybox\nCOPY ${DIR:-a} /\n", "i/a", "i/b"), nil, func(s *scene) { s.put("i/b", "new") }, true},
		{"only the path when the base is known", newScene("FROM busybox\nCOPY ${DIR:-a} /\n", "i/a", "i/b"), func(s *scene) { s.lockBase("") }, func(s *scene) { s.put("i/b", "new") }, false},
		{"a path by the base's variable", newScene("FROM busybox\nCOPY ${DIR:-a} /\n", "i/a", "i/b"), func(s *scene) { s.lockBase("", "DIR=b") }, func(s *scene) { s.put("i/b", "new") }, true},
		{"what the base's trigger copies", newScene("FROM busybox\n", "i/a", "i/b"), func(s *scene) { s.lockBase("COPY a /") }, func(s *scene) { s.put("i/a", "new") }, true},
		{"what it does not copy", newScene("FROM busybox\n", "i/a", "i/b"), func(s *scene) { s.lockBase("COPY a /") }, func(s *scene) { s.put("i/b", "new") }, false},
		{"what its trigger mounts", newScene("FROM busybox\n", "i/a", "i/b"), func(s *scene) { s.lockBase("RUN --mount=type=bind,source=b,target=/b x") }, func(s *scene) { s.put("i/b", "new") }, true},
		{"no trigger of an image that is copied from", newScene("FROM scratch\nCOPY --from=busybox x /\n", "i/a"), func(s *scene) { s.lockBase("COPY a /") }, func(s *scene) { s.put("i/a", "new") }, false},
		{"another URL", newScene("FROM scratch\nADD --checksum=sha256:11 https://h/a /\n"), nil, func(s *scene) { s.put("i/Dockerfile", "FROM scratch\nADD --checksum=sha256:22 https://h/a /\n") }, true},
		{"git's folder", newScene("FROM scratch\nADD https://h/a.git#1111111111111111111111111111111111111111 /\n"), nil, func(s *scene) {
			s.put("i/Dockerfile", "FROM scratch\nADD --keep-git-dir https://h/a.git#1111111111111111111111111111111111111111 /\n")
		}, true},
		{"an ignore file without effect", newScene("FROM scratch\nCOPY a d /\n", "i/a", "i/d/b", "i/.dockerignore"), nil, func(s *scene) { s.put("i/.dockerignore", "x\nd/*.md\n!d/b\n") }, false},
		{"an ignore file with effect", newScene("FROM scratch\nCOPY a d /\n", "i/a", "i/d/b", "i/d/c", "i/.dockerignore"), nil, func(s *scene) { s.put("i/.dockerignore", "d\n!d/b\n") }, true},
		{"an ignore file that is copied", newScene(copyAll, "i/a", "i/.dockerignore"), nil, func(s *scene) { s.put("i/.dockerignore", "x\n") }, true},
		{"an ignore file that is not used", newScene("FROM scratch\nCOPY d /\n", "i/d/a", "i/d/b", "i/.dockerignore", "i/Dockerfile.dockerignore"), nil, func(s *scene) { s.put("i/.dockerignore", "d/a\n") }, false},
		{"an ignore file behind a link", newScene("FROM scratch\nCOPY d /\n", "i/d/a", "i/d/b", "i/.dockerignore -> ign", "i/ign"), nil, func(s *scene) { s.put("i/ign", "d/a\n") }, true},
		{"a submodule that moves", newScene(copyAll, "i/m submodule"), nil, func(s *scene) { s.put("i/m", "2") }, true},
		{"a submodule that is not read", newScene("FROM scratch\nCOPY a /\n", "i/a", "i/m submodule"), nil, func(s *scene) { s.put("i/m", "2") }, false},
		{"a file in place of a folder", newScene(copyAll, "i/a/b"), nil, func(s *scene) { s.move("i/a/b", "i/a") }, true},
		{"the case of a name", newScene(copyAll, "i/a"), nil, func(s *scene) { s.move("i/a", "i/A") }, true},
		{"the text of a link to the same", newScene(copyAll, "i/l -> a", "i/a"), nil, func(s *scene) { s.put("i/l", "./a") }, true},
		{"what a link out of the context is taken for", newScene("FROM scratch\nCOPY l /\n", "i/l -> ../x", "i/x", "x"), nil, func(s *scene) { s.put("i/x", "new") }, true},
		{"a Dockerfile behind a link", newScene("", "i/other"), func(s *scene) {
			s.files["i/Dockerfile"] = history.File{Mode: model.ModeSymlink, Content: "../shared/D"}
			s.put("shared/D", "FROM scratch\nLABEL a=1\n")
		}, func(s *scene) { s.put("shared/D", "FROM scratch\nLABEL a=2\n") }, true},

		{"a file of a named context", newScene("FROM scratch\nCOPY --from=t bin /\n", "t/bin/a", "t/b"), contexts("t=/t"), func(s *scene) { s.put("t/bin/a", "new") }, true},
		{"a file beside it", newScene("FROM scratch\nCOPY --from=t bin /\n", "t/bin/a", "t/b"), contexts("t=/t"), func(s *scene) { s.put("t/b", "new") }, false},
		{"a file that the named context ignores", newScene("FROM scratch\nCOPY --from=t . /\n", "t/a", "t/b", "t/.dockerignore"), func(s *scene) {
			contexts("t=/t")(s)
			s.put("t/.dockerignore", "b\n")
		}, func(s *scene) { s.put("t/b", "new") }, false},
		{"a file of a mounted one", newScene("FROM scratch\nRUN --mount=from=t,target=/t x\n", "t/a"), contexts("t=/t"), func(s *scene) { s.put("t/a", "new") }, true},
		{"a file of one that a stage begins with", newScene("FROM t AS s\nFROM scratch\nCOPY --from=s / /\n", "t/a"), contexts("t=/t"), func(s *scene) { s.put("t/a", "new") }, true},
		{"a named context that nothing reads", newScene("FROM scratch\n", "t/a"), contexts("t=/t"), func(s *scene) { s.put("t/a", "new") }, false},
		{"the place of a named context", newScene("FROM scratch\nCOPY --from=t . /\n", "t/a"), contexts("t=/t"), func(s *scene) { contexts("t=/u")(s); s.move("t/a", "u/a") }, false},
		{"two that change places", newScene("FROM scratch\nCOPY --from=t . /t\nCOPY --from=u . /u\n", "t/a", "u/b"), contexts("t=/t", "u=/u"), contexts("t=/u", "u=/t"), true},
		{"an image for a name", newScene("FROM a\nCOPY --from=b / /\n"), contexts("a=one", "b=two"), contexts("a=two", "b=one"), true},
		{"an image for a name that nothing uses", newScene("FROM a\n"), contexts("a=one"), contexts("a=one", "b=two"), false},
		{"an image for a folder", newScene("FROM scratch\nCOPY --from=t . /\n", "t/a"), contexts("t=/t"), contexts("t=one"), true},

		{"a file beside in a folder", newScene("FROM scratch\nCOPY a /\n", "i/a", "i/b"), folder, func(s *scene) { s.put("i/b", "new") }, true},
		{"documentation in a folder", newScene("FROM scratch\nCOPY a /\n", "i/a", "i/README", "i/d/README.d/x", "i/x.md", "i/LICENSE.txt", "i/docs/a/b"), folder, func(s *scene) {
			for _, p := range []string{"i/README", "i/d/README.d/x", "i/x.md", "i/LICENSE.txt", "i/docs/a/b"} {
				s.put(p, "new")
			}
		}, false},
		{"documentation that is named", newScene("FROM scratch\nCOPY x.md /\n", "i/x.md"), folder, func(s *scene) { s.put("i/x.md", "new") }, true},
		{"a file of an image below", newScene("FROM scratch\nCOPY a /\n", "i/a"), func(s *scene) {
			folder(s)
			s.image.Dir, s.image.Context, s.image.Dockerfile = ".", "i", "i/Dockerfile"
		}, func(s *scene) { s.put("one/x", "new") }, false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			if c.prepare != nil {
				c.prepare(c.scene)
			}
			before := c.scene.key(t)
			c.edit(c.scene)
			after := c.scene.key(t)
			if got := before.Digest != after.Digest; got != c.changes {
				t.Errorf("changed is %t, want %t:\n%s", got, c.changes, gocmp.Diff(before.Recipe(), after.Recipe()))
			}
		})
	}
}

// lockBase locks busybox with a trigger and variables.
func (s *scene) lockBase(trigger string, env ...string) {
	config := model.BaseConfig{Env: env}
	if trigger != "" {
		config.OnBuild = []string{trigger}
	}
	s.lock.Bases = map[string]model.LockedBase{"docker.io/library/busybox:latest": {
		Digest: digest("a"), Platforms: map[string]model.LockedVariant{"linux/amd64": {Digest: digest("b"), Config: config}},
	}}
}

// The recipe names every context, and which bases must have no triggers.
func TestRecipeOfContexts(t *testing.T) {
	t.Parallel()
	s := newScene("FROM a\nCOPY --from=t bin /\nCOPY --from=quay.io/x/gone:1 x /\nCOPY --from=two:1 / /\n", "t/bin/a", "t/b")
	s.image.Contexts = map[string]string{"a": "registry.example.com/a:1", "t": "/t", "two:1": "one"}
	s.image.Platforms = []model.Platform{model.LinuxAMD64}
	r := s.key(t).Recipe()
	files := []model.TreeEntry{{Path: "bin/a", Mode: model.ModeFile, OID: history.Memory(map[string]string{"x": "t/bin/a"}).Entries()[0].OID}}
	want := []model.NamedContext{
		{Ref: "a", Image: "registry.example.com/a:1", Inherits: true},
		{Ref: "quay.io/x/gone:1"},
		{Ref: "t", Folder: "t", Files: files},
		{Ref: "two:1", Parent: "one:1"},
	}
	if diff := gocmp.Diff(want, r.Contexts); diff != "" {
		t.Errorf("contexts (-want +got):\n%s", diff)
	}
	if got := slices.Collect(maps.Keys(s.image.Contexts)); len(got) != 3 {
		t.Errorf("the image's contexts were changed: %v", got)
	}
}
