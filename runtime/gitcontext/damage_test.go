package gitcontext_test

import (
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

func repository(t *testing.T) (dir string, r *gitcontext.Repository) {
	t.Helper()
	dir = t.TempDir()
	git(t, dir, nil, "", "init", "-q", ".")
	r, err := gitcontext.OpenRepository(t.Context(), dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = r.Close() })
	return dir, r
}

// One object that cannot be read is the trouble of those who need it, not of
// all that are built by the same program.
func TestDamagedObjectStopsNobodyElse(t *testing.T) {
	t.Parallel()
	dir, r := repository(t)
	write := func(content string) string { return git(t, dir, nil, content, "hash-object", "-w", "--stdin") }
	damage := func(oid string, how func([]byte) []byte) {
		file := filepath.Join(dir, ".git", "objects", oid[:2], oid[2:])
		b, err := os.ReadFile(file)
		if err == nil {
			err = os.Chmod(file, 0o644)
		}
		if err == nil {
			err = os.WriteFile(file, how(b), 0o644)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	good := write("good\n")
	noise := make([]byte, 3<<20)
	for i := range noise {
		noise[i] = byte(i * i >> 3)
	}
	cut, garbage := write(string(noise)), write("garbage")
	damage(cut, func(b []byte) []byte { return b[:len(b)/2] })
	damage(garbage, func([]byte) []byte { return []byte("none of git's") })
	tree := git(t, dir, nil, "100644 blob "+good+"\ta\n", "mktree")
	for name, oid := range map[string]string{"cut off": cut, "garbage": garbage, "a folder": tree} {
		if _, err := gitcontext.ReadAll(t.Context(), r, oid); err == nil {
			t.Errorf("%s: it was read", name)
		}
		if b, err := gitcontext.ReadAll(t.Context(), r, good); err != nil || string(b) != "good\n" {
			t.Errorf("after %s: %q, %v", name, b, err)
		}
	}
	if err := errors.Join(r.Close(), r.Close()); err != nil {
		t.Error(err)
	}
	if _, err := r.Size(t.Context(), good); err == nil {
		t.Error("a closed repository answers")
	}
}

func TestCloseWhileSomebodyReads(t *testing.T) {
	t.Parallel()
	dir, r := repository(t)
	oid := git(t, dir, nil, strings.Repeat("0123456789abcdef", 1<<18), "hash-object", "-w", "--stdin")
	stream, err := r.Open(t.Context(), oid)
	if err == nil {
		err = r.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(stream); err == nil {
		t.Error("all of it was read")
	}
	if err := stream.Close(); err == nil {
		t.Error("nobody was told")
	}
}

// What git LFS fetched is built, and nothing else.
func TestLargeFiles(t *testing.T) {
	t.Parallel()
	dir, r := repository(t)
	content := "a large file"
	sum := model.DigestOf([]byte(content)).Hex()
	fetched := filepath.Join(dir, ".git", "lfs", "objects", sum[:2], sum[2:4], sum)
	text := fmt.Sprintf("version https://git-lfs.github.com/spec/v1\noid sha256:%s\nsize %d\n", sum, len(content))
	oid := git(t, dir, nil, text, "hash-object", "-w", "--stdin")
	open := func() (string, error) {
		f, err := gitcontext.New(t.Context(), r, []model.TreeEntry{{Path: "big", Mode: model.ModeFile, OID: oid}})
		if err != nil {
			return "", err
		}
		if got, want := walk(t, f, "big"), fmt.Sprintf("big -rw-r--r-- %d  0 1767225600", len(content)); got[0] != want {
			t.Errorf("shown as %q, want %q", got, want)
		}
		in, err := f.Open("big")
		if err != nil {
			return "", err
		}
		b, err := io.ReadAll(in)
		return string(b), errors.Join(err, in.Close())
	}
	if _, err := open(); err == nil || !strings.Contains(err.Error(), "git lfs fetch") {
		t.Errorf("not fetched: %v", err)
	}
	if err := os.MkdirAll(filepath.Dir(fetched), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct{ there, problem string }{{content, ""}, {"another file", "git lfs fsck"}, {"short", "git lfs fsck"}} {
		if err := os.WriteFile(fetched, []byte(c.there), 0o644); err != nil {
			t.Fatal(err)
		}
		got, err := open()
		if c.problem == "" && (err != nil || got != content) || c.problem != "" && (err == nil || !strings.Contains(err.Error(), c.problem)) {
			t.Errorf("%q: got %q, %v", c.there, got, err)
		}
	}
}
