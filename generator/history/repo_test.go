package history_test

import (
	"errors"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func open(t *testing.T, r *gittest.Repo) *history.Repo {
	t.Helper()
	repo, err := history.Open(t.Context(), r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	return repo
}

// contents reads a whole tree.
func contents(t *testing.T, tree model.Tree) map[string]string {
	t.Helper()
	got := map[string]string{}
	for _, e := range tree.Entries() {
		if e.Mode == model.ModeGitlink {
			got[e.Path] = "gitlink"
			continue
		}
		b, err := tree.Read(t.Context(), e.Path)
		if err != nil {
			t.Fatal(err)
		}
		got[e.Path] = string(b)
	}
	return got
}

func head(t *testing.T, repo *history.Repo) model.Tree {
	t.Helper()
	rev, err := repo.Commit(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Tree(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// odd are names that break programs which read git's output as lines or
// quoted text.
var odd = map[string]string{
	"a b": "1", "tab\there": "2", "new\nline": "3", `quo"te`: "4", `back\slash`: "5", "ünïcode/ß": "6",
	"latin1-\xe9": "7", "-dash": "8", ":colon": "9", "*star": "10", "Case": "11", "case": "12", "empty": "",
	"sub.d": "13", "sub/x": "14", "sub0": "15",
}

func TestOddNames(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(odd)
	repo := open(t, r)
	if diff := cmp.Diff(odd, contents(t, head(t, repo))); diff != "" {
		t.Error(diff)
	}
	r.Write(map[string]string{"new\t\nfile": "x"})
	_, tree, err := repo.Worktree(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if e, found := tree.Lookup("new\t\nfile"); !found || e.Mode != model.ModeFile {
		t.Errorf("Lookup: %v, %v", e, found)
	}
}

func TestObjectFormatsAndLayouts(t *testing.T) {
	t.Parallel()
	files := map[string]string{"images/a/Dockerfile": "FROM scratch\n"}
	tests := map[string]func(t *testing.T) *gittest.Repo{
		"sha256": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t, "--object-format=sha256")
			r.Commit(files)
			return r
		},
		"worktreeConfig": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t)
			r.Commit(files)
			r.Git("config", "extensions.worktreeConfig", "true")
			return r
		},
		"linked worktree": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t)
			r.Commit(files)
			linked := gittest.At(t, filepath.Join(t.TempDir(), "linked: odd"))
			r.Git("worktree", "add", "-q", "-b", "linked", linked.Dir)
			return linked
		},
		"sparse checkout": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t)
			r.Commit(files)
			r.Git("sparse-checkout", "set", "--cone", "docs")
			return r
		},
		"packed": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t)
			r.Commit(files)
			r.Git("gc", "-q")
			return r
		},
		"split index": func(t *testing.T) *gittest.Repo {
			r := gittest.New(t)
			r.Commit(files)
			r.Git("update-index", "--split-index")
			return r
		},
	}
	for name, create := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := create(t)
			repo := open(t, r)
			if diff := cmp.Diff(files, contents(t, head(t, repo))); diff != "" {
				t.Error("HEAD:", diff)
			}
			want := map[string]string{"images/b/Dockerfile": "FROM a\n"}
			r.Write(want)
			maps.Copy(want, files)
			_, tree, err := repo.Worktree(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(want, contents(t, tree)); diff != "" {
				t.Error("work tree:", diff)
			}
		})
	}
}

func TestRoot(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a/b/c": ""})
	repo, err := history.Open(t.Context(), filepath.Join(r.Dir, "a", "b"))
	if err != nil {
		t.Fatal(err)
	}
	defer repo.Close()
	want, err := filepath.EvalSymlinks(r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	if repo.Root() != want {
		t.Errorf("Root() = %q, want %q", repo.Root(), want)
	}
}

func TestModes(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Write(map[string]string{"plain": "1", "tool": "2"})
	if err := os.Chmod(filepath.Join(r.Dir, "tool"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("plain", filepath.Join(r.Dir, "link")); err != nil {
		t.Fatal(err)
	}
	id := r.Commit(nil)
	r.Git("update-index", "--add", "--cacheinfo", "160000,"+id+",module")
	r.Git("commit", "-q", "-m", "a submodule")
	repo := open(t, r)
	tree := head(t, repo)
	got := map[string]uint32{}
	for _, e := range tree.Entries() {
		got[e.Path] = e.Mode
	}
	want := map[string]uint32{"plain": model.ModeFile, "tool": model.ModeExecutable, "link": model.ModeSymlink, "module": model.ModeGitlink}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if text, err := tree.Read(t.Context(), "link"); err != nil || string(text) != "plain" {
		t.Errorf("Read(link) = %q, %v", text, err)
	}
	if _, err := tree.Read(t.Context(), "module"); err == nil || !strings.Contains(err.Error(), "submodule") {
		t.Errorf("Read(module) = %v", err)
	}
	if _, err := tree.Read(t.Context(), "nothing"); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("Read(nothing) = %v", err)
	}
}

func TestMemoryAgreesWithGit(t *testing.T) {
	t.Parallel()
	files := map[string]string{"a": "1", "b/c": "2\n", "empty": ""}
	r := gittest.New(t)
	r.Commit(files)
	repo := open(t, r)
	if diff := cmp.Diff(head(t, repo).Entries(), history.Memory(files).Entries()); diff != "" {
		t.Error(diff)
	}
}

func TestIgnored(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{".gitignore": "*.o\n/dist/\n", "kept.c": ""})
	repo := open(t, r)
	for path, want := range map[string]bool{"a.o": true, "x/y.o": true, "dist/app": true, "kept.c": false, "none": false} {
		got, err := repo.Ignored(t.Context(), path)
		if err != nil || got != want {
			t.Errorf("Ignored(%q) = %v, %v, want %v", path, got, err, want)
		}
	}
}

func TestReadAfterClose(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	repo := open(t, r)
	tree := head(t, repo)
	for range 2 {
		if err := repo.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := tree.Read(t.Context(), "a"); err == nil {
		t.Error("Read of a closed repository succeeded")
	}
}
