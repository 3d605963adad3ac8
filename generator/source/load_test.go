package source_test

import (
	"bytes"
	"encoding/json"
	"flag"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

var update = flag.Bool("update", false, "write the golden files")

// TestTrees loads each testdata/<case>/tree and compares what was understood
// and what was reported with want.txt.
func TestTrees(t *testing.T) {
	t.Parallel()
	cases, err := filepath.Glob("testdata/*/tree")
	if err != nil || len(cases) == 0 {
		t.Fatalf("no cases: %v", err)
	}
	for _, dir := range cases {
		t.Run(filepath.Base(filepath.Dir(dir)), func(t *testing.T) {
			t.Parallel()
			files := readTree(t, dir)
			var o source.Options
			if local, ok := files[source.LocalLockFile]; ok {
				o.LockData = []byte(local.Content)
				delete(files, source.LocalLockFile)
			}
			tree := history.MemoryFiles(files)
			o.Config, _ = source.FindConfig(tree, "team/fleet/images") // the root's, where there is no such folder
			fleet, list, err := source.Load(t.Context(), tree, o)
			if err != nil {
				t.Fatal(err)
			}
			golden(t, filepath.Join(filepath.Dir(dir), "want.txt"), report(t, fleet, list, files))
		})
	}
}

func readTree(t *testing.T, dir string) map[string]history.File {
	t.Helper()
	files := map[string]history.File{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		name, err := filepath.Rel(dir, p)
		if err != nil {
			return err
		}
		if d.Type()&fs.ModeSymlink != 0 {
			link, err := os.Readlink(p)
			files[filepath.ToSlash(name)] = history.File{Mode: model.ModeSymlink, Content: link}
			return err
		}
		b, err := os.ReadFile(p)
		files[filepath.ToSlash(name)] = history.File{Content: string(b)}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func golden(t *testing.T, file string, got []byte) {
	t.Helper()
	if *update {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, got, 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Errorf("%s (-want +got), rewrite it with -update:\n%s", file, d)
	}
}

// report is what a load said: the diagnostics as a person sees them, then the
// fleet without what is empty, and without the settings when there are none.
func report(t *testing.T, fleet *model.Fleet, list diag.List, files map[string]history.File) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := list.Print(&b, "text", false); err != nil {
		t.Fatal(err)
	}
	raw, err := json.Marshal(fleet)
	if err != nil {
		t.Fatal(err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatal(err)
	}
	if _, ok := files[source.DefaultConfig]; !ok && fleet.Settings.Dir == "." {
		delete(v.(map[string]any), "Settings")
	}
	b.WriteString("---\n")
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(compact(v)); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// compact drops what is empty, so that a golden file shows what was said.
func compact(v any) any {
	switch x := v.(type) {
	case map[string]any:
		for k, e := range x {
			if e = compact(e); e == nil || e == "" || e == false || e == 0.0 {
				delete(x, k)
				continue
			}
			x[k] = e
		}
		if len(x) == 0 {
			return nil
		}
	case []any:
		if len(x) == 0 {
			return nil
		}
		short := true
		for i := range x {
			if c := compact(x[i]); c != nil {
				x[i] = c
			}
			_, isText := x[i].(string)
			short = short && isText
		}
		if short {
			words := make([]string, len(x))
			for i := range x {
				words[i] = x[i].(string)
				if words[i] == "" {
					words[i] = `""`
				}
			}
			return strings.Join(words, " ")
		}
	}
	return v
}
