package release

import (
	"encoding/json"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/mod/module"
	"golang.org/x/mod/zip"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

const modulePath = "github.com/rootfsgen/rootfsgen"

// TestGoInstall installs the latest version of both programs from a module proxy
// that has the last commit as its only version. What they need is taken from the
// modules that are on this machine. Go refuses it where go.mod replaces a module.
func TestGoInstall(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	source := filepath.Join(dir, "checkout")
	commit := checkout(t, enginetest.Root(t), source)
	v := "v0.0.0-test." + "g" + commit[:12]
	versions := filepath.Join(dir, "proxy", modulePath, "@v")
	if err := os.MkdirAll(versions, 0o750); err != nil {
		t.Fatal(err)
	}
	write := func(name string, content []byte) {
		t.Helper()
		if err := os.WriteFile(filepath.Join(versions, name), content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	info, err := json.Marshal(map[string]string{"Version": v, "Time": "2026-11-21T00:00:00Z"})
	if err != nil {
		t.Fatal(err)
	}
	gomod, err := os.ReadFile(filepath.Join(source, "go.mod"))
	if err != nil {
		t.Fatal(err)
	}
	write("list", []byte(v+"\n"))
	write(v+".info", info)
	write(v+".mod", gomod)
	archive, err := os.Create(filepath.Join(versions, v+".zip"))
	if err != nil {
		t.Fatal(err)
	}
	if err := zip.CreateFromDir(archive, module.Version{Path: modulePath, Version: v}, source); err != nil {
		t.Fatal(err)
	}
	if err := archive.Close(); err != nil {
		t.Fatal(err)
	}
	cache := must(t, "", nil, "go", "env", "GOMODCACHE")
	t.Cleanup(func() {
		_ = os.RemoveAll(filepath.Join(cache, modulePath+"@"+v))
		unpacked, _ := filepath.Glob(filepath.Join(cache, "cache", "download", modulePath, "@v", v+".*"))
		for _, f := range unpacked {
			_ = os.Remove(f)
		}
	})
	bin := filepath.Join(dir, "bin")
	must(t, dir, []string{
		"GOPROXY=file://" + filepath.Join(dir, "proxy") + ",file://" + filepath.Join(cache, "cache", "download"),
		"GOSUMDB=off", "GOFLAGS=-mod=mod -modcacherw -trimpath", "GOBIN=" + bin, "CGO_ENABLED=0",
	}, "go", "install", modulePath+"/cmd/rootfsgen@latest", modulePath+"/cmd/rootfsrun@latest")
	for _, program := range []string{"rootfsgen", "rootfsrun"} {
		if got := must(t, "", nil, filepath.Join(bin, program), "--version"); got != program+" "+v {
			t.Errorf("%s says that it is %q", program, got)
		}
	}
}
