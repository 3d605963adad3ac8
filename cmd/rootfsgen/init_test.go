package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestInitLocks begins a repository with images from outside: what its registry
// has is locked, so that CI takes it, and what it has not is for a person.
func TestInitLocks(t *testing.T) {
	t.Setenv("CI", "")
	t.Setenv("HOME", t.TempDir())
	s := registrytest.New(t)
	base := s.Prefix("base")
	publish(t, base, "one")
	r := gittest.New(t)
	r.Write(map[string]string{
		"images/base/Dockerfile": "FROM " + base + ":1\n",
		"images/app/Dockerfile":  "FROM base\n",
		"images/tool/Dockerfile": "FROM " + base + ":1\n",
	})
	begin := func(parts string, args ...string) {
		t.Helper()
		_, errs, code := call(t, r.Dir, append([]string{"init"}, args...)...)
		if code != 0 {
			t.Fatalf("init %v: exit code %d\n%s", args, code, errs)
		}
		for part := range strings.SplitSeq(parts, "|") {
			part, absent := strings.CutPrefix(part, "!")
			if strings.Contains(errs, part) == absent {
				t.Errorf("init %v: %q: said %v\n%s", args, part, absent, errs)
			}
		}
	}
	lock := filepath.Join(r.Dir, "images.lock")
	again := func() {
		t.Helper()
		for _, file := range []string{lock, filepath.Join(r.Dir, "rootfsgen.yaml")} {
			if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
				t.Fatal(err)
			}
		}
	}

	s.Forget()
	begin("base-unlocked|\n  rootfsgen lock     |!asking registries", "--no-lock")
	if _, err := os.Stat(lock); err == nil || len(s.Requests()) > 0 {
		t.Errorf("--no-lock wrote images.lock (%v), or asked: %v", err, s.Requests())
	}

	again()
	if err := os.Mkdir(filepath.Join(r.Dir, "below"), 0o750); err != nil {
		t.Fatal(err)
	}
	begin("asking registries|wrote images.lock|!base-unlocked|!\n  rootfsgen lock     ", "-C", filepath.Join(r.Dir, "below"))
	r.Commit(nil)
	t.Setenv("CI", "true")
	if out, errs, code := call(t, r.Dir, "validate"); code != 0 || errs != "" {
		t.Errorf("in CI: %d\n%s%s", code, out, errs)
	}

	// An image that is not there, and a registry that is not.
	again()
	r.Write(map[string]string{"images/tool/Dockerfile": "FROM " + s.Prefix("absent") + ":1\n"})
	begin("base-absent|wrote images.lock|images.lock does not have every outside image, and CI refuses those, as is said above\n|images/tool/Dockerfile:1:6: warning: |!images/base/Dockerfile|\n  rootfsgen lock     ")
	again()
	r.Write(map[string]string{"images/tool/Dockerfile": "FROM 127.0.0.1:1/a/b:1\n", "images/more/Dockerfile": "FROM 127.0.0.1:1/a/c:1\n"})
	begin("wrote images.lock|and CI refuses those: locking 127.0.0.1:1/a/b:1: |; and 1 more like it\n|\n  rootfsgen lock     ")
}
