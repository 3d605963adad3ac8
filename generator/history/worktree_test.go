package history_test

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// snapshot is every file below dir, to show that it stays as it is.
func snapshot(t *testing.T, dir string) map[string]string {
	t.Helper()
	got := map[string]string{}
	err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		b, err := os.ReadFile(p)
		got[p] = string(b)
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestWorktree(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{
		".gitignore": "*.log\n", ".gitattributes": "crlf.txt text eol=lf\n",
		"kept": "1", "edited": "1", "deleted": "1", "folder": "was a file", "staged": "1",
	})
	r.Write(map[string]string{"staged": "2"})
	r.Git("add", "staged")
	for _, p := range []string{"deleted", "folder"} {
		if err := os.Remove(filepath.Join(r.Dir, p)); err != nil {
			t.Fatal(err)
		}
	}
	r.Write(map[string]string{
		"edited": "2", "untracked": "1", "folder/inside": "1", "noise.log": "x",
		"crlf.txt": "a\r\nb\r\n", ".cache/images/huge": "x",
	})
	before := snapshot(t, filepath.Join(r.Dir, ".git"))
	repo := open(t, r)
	rev, tree, err := repo.Worktree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if rev.Ref != "worktree" || rev.Commit != "" || rev.Tree == "" {
		t.Errorf("revision %+v", rev)
	}
	want := map[string]string{
		".gitignore": "*.log\n", ".gitattributes": "crlf.txt text eol=lf\n",
		"kept": "1", "edited": "2", "staged": "2", "untracked": "1", "folder/inside": "1", "crlf.txt": "a\nb\n",
	}
	if diff := cmp.Diff(want, contents(t, tree)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(before, snapshot(t, filepath.Join(r.Dir, ".git"))); diff != "" {
		t.Error(".git was written to:", diff)
	}
	left, err := filepath.Glob(filepath.Join(r.Dir, ".cache", "index-*"))
	if err != nil || len(left) != 0 {
		t.Errorf("left behind: %v, %v", left, err)
	}
	r.Git("add", "-A", "--", ":/", ":(exclude).cache")
	if id := r.Git("write-tree"); id != rev.Tree {
		t.Errorf("tree %s, git itself says %s", rev.Tree, id)
	}
}

// TestWorktreeSeesEditsOfTheSameMoment keeps time and size of a file: only
// the index's own time tells git to look inside.
func TestWorktreeSeesEditsOfTheSameMoment(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	index := filepath.Join(r.Dir, ".git", "index")
	info, err := os.Stat(filepath.Join(r.Dir, "a"))
	if err != nil {
		t.Fatal(err)
	}
	if err := os.Chtimes(index, info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	file, err := os.OpenFile(filepath.Join(r.Dir, "a"), os.O_WRONLY, 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := file.WriteString("2"); err != nil {
		t.Fatal(err)
	}
	if err := file.Close(); err != nil {
		t.Fatal(err)
	}
	r.Git("config", "core.trustctime", "false")
	if err := os.Chtimes(filepath.Join(r.Dir, "a"), info.ModTime(), info.ModTime()); err != nil {
		t.Fatal(err)
	}
	_, tree, err := open(t, r).Worktree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if got := contents(t, tree)["a"]; got != "2" {
		t.Errorf("a = %q", got)
	}
}

// TestCacheNeverCounts holds wherever git's rules hide .cache, and where
// nothing does.
func TestCacheNeverCounts(t *testing.T) {
	t.Parallel()
	for name, ignore := range map[string]string{"hidden": "/.cache/\n", "hidden file": ".cache\n", "not hidden": "", "asked for": "*\n!/.cache/\n!/.cache/**\n!/a\n!.gitignore\n"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := gittest.New(t)
			r.Commit(map[string]string{"a": "1", ".gitignore": ignore})
			r.Write(map[string]string{"a": "2", ".cache/x": "1", ".cache/.gitignore": "", ".cache/deep/y": "1"})
			_, tree, err := open(t, r).Worktree(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(map[string]string{"a": "2", ".gitignore": ignore}, contents(t, tree)); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestDirty(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	repo := open(t, r)
	check := func(want bool, when string) {
		t.Helper()
		got, err := repo.Dirty(t.Context())
		if err != nil || got != want {
			t.Errorf("%s: Dirty() = %v, %v, want %v", when, got, err, want)
		}
	}
	check(true, "without commits")
	r.Commit(map[string]string{"a": "1"})
	check(false, "after a commit")
	r.Write(map[string]string{"a": "2"})
	check(true, "after an edit")
	r.Write(map[string]string{"a": "1"})
	check(false, "after taking it back")
	if out := r.Git("status", "--porcelain"); strings.TrimSpace(out) != "" {
		t.Errorf("git status shows our own files: %s", out)
	}
}
