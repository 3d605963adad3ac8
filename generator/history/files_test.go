package history_test

import (
	"errors"
	"io/fs"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestFiles asks for paths one by one: files are there, folders and what no
// path in a tree can be are not.
func TestFiles(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1", "b/c d": "2", "b/é": "3"})
	repo := open(t, r)
	rev, err := repo.Commit(t.Context(), "HEAD")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Files(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{
		"a": "1", "b/c d": "2", "b/é": "3", "b": "", ".": "", "": "", "/a": "", "../a": "", "a/": "", "x": "", "a\n": "", "b/c": "",
	} {
		_, found := tree.Lookup(path)
		b, err := tree.Read(t.Context(), path)
		if found != (want != "") || string(b) != want || (err == nil) != found || err != nil && !errors.Is(err, fs.ErrNotExist) {
			t.Errorf("%q: %v, %q, %v", path, found, b, err)
		}
	}
	if len(tree.Entries()) > 0 {
		t.Error("it lists files")
	}
	if _, err := repo.Files(t.Context(), model.Revision{Ref: "x", Tree: "HEAD"}); err == nil {
		t.Error("a name is no tree")
	}
}

// TestOneAnswer moves a tag while a repository is open: both questions get the
// same answer.
func TestOneAnswer(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	r.Git("tag", "v1")
	r.Commit(map[string]string{"a": "2"})
	repo := open(t, r)
	first, err := repo.LastTag(t.Context(), "HEAD", "v*")
	if err != nil {
		t.Fatal(err)
	}
	r.Git("tag", "v2")
	second, err := repo.LastTag(t.Context(), "HEAD", "v*")
	if err != nil || second.Ref != "v1" || *first != *second {
		t.Errorf("%v, then %v, %v", first, second, err)
	}
	later, err := open(t, r).LastTag(t.Context(), "HEAD", "v*")
	if err != nil || later.Ref != "v2" {
		t.Errorf("opened again: %v, %v", later, err)
	}
}
