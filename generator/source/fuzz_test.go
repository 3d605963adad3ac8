package source_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// corpus adds the files of that name in the golden trees, and what has been
// hard for YAML readers.
func corpus(f *testing.F, name string) {
	f.Helper()
	files, err := filepath.Glob("testdata/*/tree/" + name)
	if err != nil {
		f.Fatal(err)
	}
	deeper, err := filepath.Glob("testdata/*/tree/images/*/" + name)
	if err != nil {
		f.Fatal(err)
	}
	for _, file := range append(files, deeper...) {
		b, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	for _, s := range []string{
		"", "# only a comment\n", "\ufeffid: x\r\n", "a: \xff\n", "id: a\n---\nid: b\n", "a: &x [*x]\nb: *x\n", "<<: {id: x}\n", "a: &a {<<: *a}\n<<: *a\n",
		"? id\n: x\n", "id: !!str 3\n", "id: \"a\\\n  b\"\n", "[[[[[[", "{a: {a: {a: ", "- - - - -", "version: 1\n...\n", "%YAML 1.2\n---\nid: x\n", "id: |\n", "id: >+\n\n\n", "\t", ":", "- ", "? ",
	} {
		f.Add([]byte(s))
	}
}

// checkPlaces fails when a diagnostic is not at a place of its file.
func checkPlaces(t *testing.T, list diag.List, file string, content []byte) {
	t.Helper()
	lines := strings.Split(string(content), "\n")
	for _, d := range list {
		if d.Pos.File != file || d.Pos.Line == 0 {
			continue
		}
		if d.Pos.Line > len(lines) || d.Pos.Col < 0 || d.Pos.Col > len(lines[d.Pos.Line-1])+1 || d.Pos.EndCol > len(lines[d.Pos.Line-1])+1 {
			t.Errorf("%v is outside the file", d)
		}
		if strings.Contains(d.Line, "\n") || strings.ContainsAny(d.Message, "\n") {
			t.Errorf("%+v has more than one line", d)
		}
	}
}

func FuzzImage(f *testing.F) {
	corpus(f, "image.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		tree := history.Memory(map[string]string{"images/x/image.yaml": string(content), "images/x/Dockerfile": "FROM scratch\n"})
		fleet, list, err := source.Load(t.Context(), tree, source.Options{})
		if err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, list, "images/x/image.yaml", content)
		if !list.HasErrors() && len(fleet.Images) != 1 {
			t.Errorf("%d images and no error", len(fleet.Images))
		}
	})
}

func FuzzSettings(f *testing.F) {
	corpus(f, "rootfsgen.yaml")
	f.Fuzz(func(t *testing.T, content []byte) {
		fleet, list, err := source.Load(t.Context(), history.Memory(nil), source.Options{Config: "other.yaml", ConfigData: content})
		if err != nil {
			t.Fatal(err)
		}
		checkPlaces(t, list, "other.yaml", content)
		if s := fleet.Settings; s.DefaultBranch == "" || len(s.Roots) == 0 || len(s.Runners) < 4 || len(s.Forges) == 0 {
			t.Errorf("a default is missing: %+v", s)
		}
	})
}

func FuzzLock(f *testing.F) {
	corpus(f, "images.lock")
	f.Add(source.FormatLock(sampleLock()))
	f.Fuzz(func(t *testing.T, content []byte) {
		lock, list := source.ParseLock(content, "images.lock")
		checkPlaces(t, list, "images.lock", content)
		if list.HasErrors() {
			return
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
