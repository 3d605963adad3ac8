package ci

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// TestSourceRuntime executes the pipeline of a repository that holds the
// programs' own source, as this one does: the planning job compiles them and
// hands them on, and no machine has them installed.
func TestSourceRuntime(t *testing.T) {
	t.Parallel()
	files := source(t)
	files["rootfsgen.yaml"] = filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "runtime: source\n"
	for path := range filesBelow(t, "testdata/fleet") {
		if strings.HasPrefix(path, "images/") && !strings.HasPrefix(path, "images/base/") {
			files[path] = "" // one image is enough
		}
	}
	f := newFleet(t, "source", files)
	programs := enginetest.Programs(t)
	for i, v := range f.env {
		f.env[i] = strings.Replace(v, "PATH="+programs+":", "PATH=", 1)
	}
	got := f.act(workflow{
		event: "push", file: "rootfsgen-push.yml", env: goSettings(t),
		payload: map[string]any{"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": f.Git("rev-parse", "HEAD")},
	})
	want := map[string]string{"result": "success", "plan": "success", "manifest": "success"}
	for _, job := range jobsOf("base") {
		want[job] = "success"
	}
	if diff := cmp.Diff(want, got.jobs); diff != "" {
		t.Fatalf("jobs (-want +got):\n%s\n%s", diff, got.tail())
	}
	f.testing(map[string]string{"base": everyImage["base"]})
}

// source is what the two programs are compiled from.
func source(t *testing.T) map[string]string {
	t.Helper()
	root := enginetest.Root(t)
	files := map[string]string{}
	for _, dir := range []string{"cmd", "generator", "internal", "runtime", "schema", "templates"} {
		for path, text := range filesBelow(t, filepath.Join(root, dir)) {
			if !strings.HasSuffix(path, "_test.go") && !strings.Contains(path, "testdata/") {
				files[dir+"/"+path] = text
			}
		}
	}
	for _, path := range []string{"go.mod", "go.sum"} {
		text, err := os.ReadFile(filepath.Join(root, path))
		if err != nil {
			t.Fatal(err)
		}
		files[path] = string(text)
	}
	return files
}

// goSettings let a job use this machine's caches of Go.
func goSettings(t *testing.T) []string {
	t.Helper()
	settings := map[string]string{}
	for _, name := range []string{"GOCACHE", "GOMODCACHE", "GOPROXY", "GOSUMDB", "GOTOOLCHAIN"} {
		out, err := exec.CommandContext(t.Context(), "go", "env", name).Output()
		if err != nil {
			t.Fatalf("go env %s: %v", name, err)
		}
		settings[name] = strings.TrimSpace(string(out))
	}
	var env []string
	for _, name := range slices.Sorted(maps.Keys(settings)) {
		env = append(env, name+"="+settings[name])
	}
	return env
}
