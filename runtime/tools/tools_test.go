package tools

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func program(t *testing.T, dir, name string, mode os.FileMode) string {
	t.Helper()
	path := filepath.Join(dir, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\necho "+name+" 1.0\necho more\n"), mode); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestFind(t *testing.T) {
	bin, elsewhere := t.TempDir(), t.TempDir()
	t.Setenv("PATH", elsewhere)
	own := program(t, bin, "buildkitd", 0o755)
	program(t, elsewhere, "buildkitd", 0o755)
	program(t, bin, "registry", 0o644) // cannot be run
	other := program(t, elsewhere, "registry", 0o755)
	for _, c := range []struct{ bin, name, want string }{
		{bin, "buildkitd", own},
		{"", "buildkitd", filepath.Join(elsewhere, "buildkitd")},
		{bin, "registry", other},
	} {
		got, err := Find(c.bin, c.name)
		if err != nil || got != c.want {
			t.Errorf("%s in %q: got %s, %v, want %s", c.name, c.bin, got, err, c.want)
		}
	}
}

func TestMissing(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	_, err := FindAll(filepath.Join(t.TempDir(), ".cache", "bin"), "buildkitd", "no-such-program", "registry")
	var missing *MissingError
	if !errors.As(err, &missing) {
		t.Fatalf("got %v", err)
	}
	want := `missing on this machine:
  buildkitd (building and testing images)
  no-such-program
  registry (a registry on this machine)
hint: to get them:
    rootfsrun tools install`
	if diff := cmp.Diff(want, err.Error()); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if missing.ExitCode() != 1 {
		t.Errorf("exit code %d", missing.ExitCode())
	}
	debian := &MissingError{Programs: []Program{lookup("runc"), lookup("qemu-user"), lookup("buildkitd")}, Bin: ownBin(t)}
	for _, line := range []string{"    make tools", "    apt-get install -y --no-install-recommends runc qemu-user-static"} {
		if !slices.Contains(strings.Split(debian.Error(), "\n"), line) {
			t.Errorf("%q is missing in:\n%v", line, debian)
		}
	}
}

// ownBin is where the programs lie in a checkout of this module.
func ownBin(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	if err := os.Mkdir(filepath.Join(root, "tools"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "tools", "go.mod"), []byte("module github.com/rootfsgen/rootfsgen/tools\n\ngo 1.26\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	return filepath.Join(root, ".cache", "bin")
}

func TestHowToGet(t *testing.T) {
	t.Parallel()
	elsewhere := "rootfsrun tools install"
	for name, c := range map[string]struct{ program, bin, want string }{
		"a package":           {"git", "", "apt-get install -y --no-install-recommends git"},
		"in our own checkout": {"buildkitd", ownBin(t), "make tools"},
		"in another":          {"buildkitd", filepath.Join(t.TempDir(), ".cache", "bin"), elsewhere},
		"nowhere":             {"registry", "", elsewhere},
	} {
		if got := lookup(c.program).HowToGet(c.bin); got != c.want {
			t.Errorf("%s: got %q, want %q", name, got, c.want)
		}
	}
}

func TestList(t *testing.T) {
	bin := t.TempDir()
	path := program(t, bin, "registry", 0o755)
	var names []string
	for _, tool := range List(t.Context(), bin) {
		names = append(names, tool.Name)
		if tool.Use == "" || tool.Get == "" {
			t.Errorf("%s does not say what it is for and how to get it: %+v", tool.Name, tool)
		}
		if tool.Name == "registry" && (tool.Path != path || tool.Version != "registry 1.0") {
			t.Errorf("got %+v", tool)
		}
	}
	if !slices.IsSorted(names) || len(names) != len(Programs()) {
		t.Errorf("listed: %v", names)
	}
}

// The packages are there already: the other tests of this repository brought
// them, or this one does.
func TestInstallTwice(t *testing.T) {
	var first bytes.Buffer
	if err := InstallPackages(t.Context(), &first); err != nil {
		t.Fatalf("%v\n%s", err, first.String())
	}
	var out bytes.Buffer
	if err := InstallPackages(t.Context(), &out); err != nil || out.Len() > 0 {
		t.Errorf("installing what is there: %v, %q", err, out.String())
	}
}
