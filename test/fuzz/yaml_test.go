package fuzz

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// seeds adds the files that globs match, from the root of the repository.
func seeds(f *testing.F, globs ...string) {
	f.Helper()
	for _, g := range globs {
		files, err := filepath.Glob("../../" + g)
		if err != nil || len(files) == 0 {
			f.Fatalf("%s: %d files, %v", g, len(files), err)
		}
		for _, file := range files {
			b, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(b)
		}
	}
}

// hard is what has been hard for readers of YAML.
func hard(f *testing.F) {
	f.Helper()
	for _, s := range []string{
		"", "# only a comment\n", "\ufeffid: x\r\n", "a: \xff\n", "id: a\n---\nid: b\n", "a: &x [*x]\nb: *x\n", "<<: {id: x}\n", "a: &a {<<: *a}\n<<: *a\n",
		"? id\n: x\n", "id: !!str 3\n", "id: \"a\\\n  b\"\n", "[[[[[[", "{a: {a: {a: ", "- - - - -", "version: 1\n...\n", "%YAML 1.2\n---\nid: x\n", "id: |\n", "id: >+\n\n\n", "\t", ":", "- ", "? ",
	} {
		f.Add([]byte(s))
	}
}

// places fails when a diagnostic is not at a place of its file, or has more
// than one line.
func places(t *testing.T, list diag.List, file string, content []byte) {
	t.Helper()
	lines := strings.Split(string(content), "\n")
	for _, d := range list {
		if strings.Contains(d.Line, "\n") || strings.Contains(d.Message, "\n") || d.Message == "" {
			t.Errorf("%+v is not one line", d)
		}
		if d.Pos.File != file || d.Pos.Line == 0 {
			continue
		}
		if d.Pos.Line > len(lines) || d.Pos.Col < 0 || d.Pos.Col > len(lines[d.Pos.Line-1])+1 || d.Pos.EndCol > len(lines[d.Pos.Line-1])+1 {
			t.Errorf("%v is outside the file", d)
		}
	}
}

// unknown is the content with a key that nothing knows.
func unknown(content []byte) []byte {
	return append(slices.Clip(content), "\nno_such_key: 1\n"...)
}

func FuzzImage(f *testing.F) {
	seeds(f, "generator/source/testdata/*/tree/images/*/image.yaml", "images/*/image.yaml")
	hard(f)
	load := func(t *testing.T, content []byte) (*model.Fleet, diag.List) {
		tree := history.Memory(map[string]string{"images/x/image.yaml": string(content), "images/x/Dockerfile": "FROM scratch\n"})
		fleet, list, err := source.Load(t.Context(), tree, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		return fleet, list
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		fleet, list := load(t, content)
		places(t, list, "images/x/image.yaml", content)
		if list.HasErrors() {
			return
		}
		if len(fleet.Images) == 0 {
			t.Error("no image and no error")
		}
		for _, i := range fleet.Images {
			if i.ID == "" || len(i.Targets()) == 0 || i.ImageName == "" {
				t.Errorf("a default is missing: %+v", i)
			}
		}
		if _, list := load(t, unknown(content)); !list.HasErrors() {
			t.Error("a key that nothing knows is taken")
		}
	})
}

func FuzzSettings(f *testing.F) {
	seeds(f, "generator/source/testdata/*/tree/rootfsgen.yaml", "rootfsgen.yaml")
	hard(f)
	load := func(t *testing.T, content []byte) (*model.Fleet, diag.List) {
		fleet, list, err := source.Load(t.Context(), history.Memory(nil), source.Options{Config: "other.yaml", ConfigData: content})
		if err != nil {
			t.Fatal(err)
		}
		return fleet, list
	}
	f.Fuzz(func(t *testing.T, content []byte) {
		fleet, list := load(t, content)
		places(t, list, "other.yaml", content)
		if s := fleet.Settings; s.DefaultBranch == "" || len(s.Roots) == 0 || len(s.Runners) < 4 || len(s.Forges) == 0 {
			t.Errorf("a default is missing: %+v", s)
		}
		if list.HasErrors() {
			return
		}
		if _, list := load(t, unknown(content)); !list.HasErrors() {
			t.Error("a key that nothing knows is taken")
		}
	})
}

func FuzzLock(f *testing.F) {
	seeds(f, "images.lock", "generator/source/testdata/*/tree/images.lock")
	hard(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		lock, list := source.ParseLock(content, "images.lock")
		places(t, list, "images.lock", content)
		if list.HasErrors() {
			return
		}
		if _, list := source.ParseLock(unknown(content), "images.lock"); !list.HasErrors() {
			t.Error("a key that nothing knows is taken")
		}
		text := source.FormatLock(lock)
		again, list := source.ParseLock(text, "images.lock")
		if len(list) > 0 {
			t.Fatalf("what is written cannot be read: %v\n%s", list, text)
		}
		if d := cmp.Diff(string(text), string(source.FormatLock(again))); d != "" {
			t.Errorf("writing it again gives other bytes:\n%s", d)
		}
	})
}
