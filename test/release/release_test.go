// Package release makes a release of the last commit for this machine, twice,
// and installs the module as users do. What is not committed is in neither.
package release

import (
	"bytes"
	"context"
	"debug/buildinfo"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

const version = "v0.0.1-test"

func TestMain(m *testing.M) { enginetest.Main(m) }

// command runs a program and returns what it printed; env goes before the
// machine's own.
func command(ctx context.Context, dir string, env []string, name string, args ...string) (string, error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir, cmd.Env = dir, append(os.Environ(), env...)
	out, err := cmd.CombinedOutput()
	return strings.TrimSpace(string(out)), err
}

func must(t *testing.T, dir string, env []string, name string, args ...string) string {
	t.Helper()
	out, err := command(t.Context(), dir, env, name, args...)
	if err != nil {
		t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, out)
	}
	return out
}

// checkout is the last commit of a repository in a folder of its own.
func checkout(t *testing.T, from, dir string) string {
	t.Helper()
	must(t, "", nil, "git", "clone", "-q", "--no-hardlinks", from, dir)
	return must(t, dir, nil, "git", "rev-parse", "HEAD")
}

// files are the contents of a folder by name.
func files(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string][]byte{}
	for _, e := range entries {
		if all[e.Name()], err = os.ReadFile(filepath.Join(dir, e.Name())); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

// TestTheSameBytesTwice makes the release in two folders. The programs, the
// lists of their packages, the digests and the provenance must be the same,
// and nothing of them may tell where they were made.
func TestTheSameBytesTwice(t *testing.T) {
	t.Parallel()
	root := t.TempDir()
	platform := runtime.GOOS + "-" + runtime.GOARCH
	syft := "SYFT=" + filepath.Join(enginetest.Root(t), ".cache", "bin", "syft")
	var made []map[string][]byte
	first, second := filepath.Join(root, "a"), filepath.Join(root, "another", "folder")
	commit := checkout(t, enginetest.Root(t), first)
	checkout(t, first, second) // people may commit meanwhile
	for _, dir := range []string{first, second} {
		out := filepath.Join(dir, "..", "out-"+filepath.Base(dir))
		must(t, dir, []string{syft}, "tools/release.sh", version, out, runtime.GOOS+"/"+runtime.GOARCH)
		made = append(made, files(t, out))
	}
	for _, name := range []string{"SHA256SUMS", "provenance.json", "rootfsgen-" + platform, "rootfsgen-" + platform + ".cdx.json", "rootfsrun-" + platform, "rootfsrun-" + platform + ".cdx.json"} {
		switch first, second := made[0][name], made[1][name]; {
		case len(first) == 0:
			t.Errorf("there is no %s", name)
		case !bytes.Equal(first, second):
			t.Errorf("%s differs from folder to folder", name)
		case bytes.Contains(first, []byte(root)):
			t.Errorf("%s tells where it was made", name)
		}
	}
	if len(made[0]) != 6 {
		t.Errorf("%d files, want 6", len(made[0]))
	}
	out := filepath.Join(root, "out-a")
	for _, program := range []string{"rootfsgen", "rootfsrun"} {
		file := filepath.Join(out, program+"-"+platform)
		if got := must(t, "", nil, file, "--version"); got != program+" "+version {
			t.Errorf("%s says that it is %q", program, got)
		}
		info, err := buildinfo.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		said := map[string]string{}
		for _, s := range info.Settings {
			said[s.Key] = s.Value
		}
		if said["vcs.revision"] != commit || said["vcs.modified"] != "false" || said["CGO_ENABLED"] != "0" {
			t.Errorf("%s is made of %v, want the commit %s", program, said, commit)
		}
	}
}

// TestOnlyCommits refuses what nobody could make again.
func TestOnlyCommits(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(t.TempDir(), "checkout")
	checkout(t, enginetest.Root(t), dir)
	if out, err := command(t.Context(), dir, nil, "tools/release.sh", "1.0", filepath.Join(dir, "..", "out")); err == nil || !strings.Contains(out, "no version") {
		t.Errorf("a version without v: %v, %s", err, out)
	}
	if err := os.WriteFile(filepath.Join(dir, "new.go"), []byte("package rootfsgen\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	if out, err := command(t.Context(), dir, nil, "tools/release.sh", version, filepath.Join(dir, "..", "out")); err == nil || !strings.Contains(out, "uncommitted") {
		t.Errorf("uncommitted work: %v, %s", err, out)
	}
}
