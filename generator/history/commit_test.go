package history_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func TestProblems(t *testing.T) {
	t.Parallel()
	const absent = "1234567890123456789012345678901234567890"
	origin := gittest.New(t)
	origin.Commit(map[string]string{"a": "1"})
	origin.Commit(map[string]string{"a": "2"})
	empty := gittest.New(t)
	bare := gittest.At(t, t.TempDir())
	bare.Git("init", "-q", "--bare")
	tests := map[string]struct {
		dir, ref string
		kind     error
		hint     string
	}{
		"no repository":     {dir: t.TempDir(), kind: history.ErrNotRepository, hint: "git init"},
		"bare":              {dir: bare.Dir, kind: history.ErrBare, hint: "clone"},
		"no commits":        {dir: empty.Dir, ref: "HEAD", kind: history.ErrNoCommits, hint: "git commit"},
		"no commits, a tag": {dir: empty.Dir, ref: "v1", kind: history.ErrNoCommits, hint: "git commit"},
		"unknown":           {dir: origin.Dir, ref: "v1", kind: history.ErrUnknown, hint: "git fetch --tags"},
		"no name":           {dir: origin.Dir, ref: "", kind: history.ErrUnknown},
		"an option":         {dir: origin.Dir, ref: "--all", kind: history.ErrUnknown},
		"two lines":         {dir: origin.Dir, ref: "HEAD\nHEAD", kind: history.ErrUnknown},
		"not a commit":      {dir: origin.Dir, ref: "HEAD:a", kind: history.ErrUnknown},
		"missing commit":    {dir: origin.Dir, ref: absent, kind: history.ErrMissing, hint: "force-pushed"},
		"shallow":           {dir: origin.Clone("--depth=1").Dir, ref: "HEAD~1", kind: history.ErrShallow, hint: "fetch-depth: 0"},
		"shallow, by id":    {dir: origin.Clone("--depth=1").Dir, ref: absent, kind: history.ErrShallow, hint: "GIT_DEPTH"},
		"partial, by id":    {dir: origin.Clone("--filter=blob:none").Dir, ref: absent, kind: history.ErrMissing, hint: "git fetch"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			repo, err := history.Open(t.Context(), tt.dir)
			if err == nil {
				defer repo.Close()
				_, err = repo.Commit(t.Context(), tt.ref)
			}
			if !errors.Is(err, tt.kind) {
				t.Fatalf("error %v, want %v", err, tt.kind)
			}
			if !strings.Contains(err.Error(), tt.hint) {
				t.Errorf("error %q does not say %q", err, tt.hint)
			}
		})
	}
}

func TestForcePush(t *testing.T) {
	t.Parallel()
	origin := gittest.New(t)
	origin.Commit(map[string]string{"a": "1"})
	lost := origin.Commit(map[string]string{"a": "2"})
	origin.Git("reset", "-q", "--hard", "HEAD~1")
	origin.Commit(map[string]string{"a": "3"})
	repo := open(t, origin.Clone())
	if _, err := repo.Commit(t.Context(), lost); !errors.Is(err, history.ErrMissing) {
		t.Errorf("error %v, want %v", err, history.ErrMissing)
	}
}

// TestPartialClone reads objects that the clone left at its remote, first
// with the remote, then without.
func TestPartialClone(t *testing.T) {
	t.Parallel()
	origin := gittest.New(t)
	origin.Commit(map[string]string{"a": "1", "b": "one"})
	origin.Git("tag", "v1")
	origin.Commit(map[string]string{"a": "2", "b": "two"})
	clone := origin.Clone("--filter=blob:none")
	repo := open(t, clone)
	rev, err := repo.Commit(t.Context(), "v1")
	if err != nil {
		t.Fatal(err)
	}
	tree, err := repo.Tree(t.Context(), rev)
	if err != nil {
		t.Fatal(err)
	}
	if b, err := tree.Read(t.Context(), "a"); err != nil || string(b) != "1" {
		t.Errorf("Read(a) = %q, %v", b, err)
	}
	if err := os.Rename(filepath.Join(origin.Dir, ".git"), filepath.Join(origin.Dir, "gone")); err != nil {
		t.Fatal(err)
	}
	if _, err := tree.Read(t.Context(), "b"); !errors.Is(err, history.ErrPartial) {
		t.Errorf("Read(b) = %v, want %v", err, history.ErrPartial)
	}
	if b, err := tree.Read(t.Context(), "a"); err != nil || string(b) != "1" {
		t.Errorf("after a failure: Read(a) = %q, %v", b, err)
	}
	if _, err := repo.Commit(t.Context(), "HEAD"); err != nil {
		t.Errorf("after a failure: %v", err)
	}
}

func TestDamagedObject(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	id := r.Git("rev-parse", "HEAD:a")
	if err := os.Remove(filepath.Join(r.Dir, ".git", "objects", id[:2], id[2:])); err != nil {
		t.Fatal(err)
	}
	if _, err := head(t, open(t, r)).Read(t.Context(), "a"); !errors.Is(err, history.ErrCorrupt) {
		t.Errorf("Read(a) = %v, want %v", err, history.ErrCorrupt)
	}
}

func TestMergeBaseAndAncestor(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	base := r.Commit(map[string]string{"a": "1"})
	r.Git("checkout", "-q", "-b", "topic")
	r.Commit(map[string]string{"b": "1"})
	r.Git("checkout", "-q", "main")
	r.Commit(map[string]string{"c": "1"})
	r.Git("checkout", "-q", "--orphan", "other")
	r.Commit(map[string]string{"d": "1"})
	repo := open(t, r)
	rev, err := repo.MergeBase(t.Context(), "main", "topic")
	if err != nil || rev.Commit != base {
		t.Errorf("MergeBase = %+v, %v, want %s", rev, err, base)
	}
	if _, err := repo.MergeBase(t.Context(), "main", "other"); !errors.Is(err, history.ErrUnrelated) {
		t.Errorf("MergeBase of unrelated branches: %v", err)
	}
	for pair, want := range map[[2]string]bool{{base, "main"}: true, {"main", "topic"}: false, {"main", "main"}: true} {
		got, err := repo.IsAncestor(t.Context(), pair[0], pair[1])
		if err != nil || got != want {
			t.Errorf("IsAncestor(%v) = %v, %v, want %v", pair, got, err, want)
		}
	}
	at, err := repo.CommitTime(t.Context(), base)
	if err != nil || at.Format("2006-01-02 15:04") != "2026-11-21 09:01" {
		t.Errorf("CommitTime = %v, %v", at, err)
	}
}

func TestShallowMergeBase(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(map[string]string{"a": "1"})
	r.Git("checkout", "-q", "-b", "topic")
	r.Commit(map[string]string{"b": "1"})
	r.Git("checkout", "-q", "main")
	r.Commit(map[string]string{"c": "1"})
	clone := r.Clone("--depth=1", "--no-single-branch")
	_, err := open(t, clone).MergeBase(t.Context(), "origin/main", "origin/topic")
	if !errors.Is(err, history.ErrShallow) {
		t.Errorf("error %v, want %v", err, history.ErrShallow)
	}
}
