package history_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

func TestTags(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		make           func(r *gittest.Repo)
		glob           string // "v*" when empty
		last, previous string // "" is none
	}{
		"none": {make: func(r *gittest.Repo) { r.Commit(nil) }},
		"lightweight counts": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "-a", "-m", "x", "v1")
			r.Commit(nil)
			r.Git("tag", "v2")
			r.Commit(nil)
		}, last: "v2", previous: "v2"},
		"on HEAD": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "v1")
			r.Commit(nil)
			r.Git("tag", "-a", "-m", "x", "v2")
		}, last: "v2", previous: "v1"},
		"several on one commit": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			for _, name := range []string{"v1.9.0", "v1.10.0", "v1.10.0-rc1", "v1.2"} {
				r.Git("tag", name)
			}
			r.Git("tag", "-a", "-m", "x", "v1.3")
			r.Commit(nil)
		}, last: "v1.10.0", previous: "v1.10.0"},
		"tags of tags": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "-a", "-m", "x", "v1")
			r.Git("tag", "-a", "-m", "x", "inner")
			r.Commit(nil)
			r.Git("tag", "-a", "-m", "x", "inner2")
			r.Git("tag", "-a", "-m", "x", "v2", "inner2")
			r.Git("tag", "-a", "-m", "x", "innertree", "HEAD^{tree}")
			r.Git("tag", "-a", "-m", "x", "v3", "innertree")
			r.Git("tag", "-d", "inner2")
			r.Commit(nil)
		}, last: "v2", previous: "v2"},
		"a letter is later": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "v12")
			r.Git("tag", "v12a")
			r.Git("tag", "v9")
		}, last: "v12a"},
		"not on the branch": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "v1")
			r.Git("checkout", "-q", "-b", "side")
			r.Commit(nil)
			r.Git("tag", "v2")
			r.Git("checkout", "-q", "main")
			r.Commit(nil)
		}, last: "v1", previous: "v1"},
		"by a merge": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "v1")
			r.Git("checkout", "-q", "-b", "side")
			r.Commit(map[string]string{"b": ""})
			r.Git("tag", "v1.0.1")
			r.Git("checkout", "-q", "main")
			r.Commit(map[string]string{"a": ""})
			r.Git("merge", "-q", "--no-ff", "-m", "merge", "side")
		}, last: "v1.0.1", previous: "v1.0.1"},
		"nearest of two branches": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("checkout", "-q", "-b", "side")
			r.Commit(map[string]string{"b": "1"})
			r.Git("tag", "v9")
			r.Commit(map[string]string{"b": "2"})
			r.Commit(map[string]string{"b": "3"})
			r.Git("checkout", "-q", "main")
			r.Commit(map[string]string{"a": "1"})
			r.Git("tag", "v3")
			r.Git("merge", "-q", "--no-ff", "-m", "merge", "side")
		}, last: "v9", previous: "v9"},
		"a squash keeps the branch's tag away": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "v1")
			r.Git("checkout", "-q", "-b", "side")
			r.Commit(map[string]string{"b": "1"})
			r.Git("tag", "v2")
			r.Git("checkout", "-q", "main")
			r.Git("merge", "-q", "--squash", "side")
			r.Commit(nil)
		}, last: "v1", previous: "v1"},
		"other patterns": {make: func(r *gittest.Repo) {
			r.Commit(nil)
			r.Git("tag", "images/1")
			r.Commit(nil)
			r.Git("tag", "v1")
			r.Git("tag", "images/x/2")
		}, glob: "images/*", last: "images/1", previous: "images/1"},
		"a tag of a file": {make: func(r *gittest.Repo) {
			r.Commit(map[string]string{"a": "1"})
			r.Git("tag", "v1", "HEAD:a")
			r.Git("tag", "v2", "HEAD^{tree}")
		}},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := gittest.New(t)
			tt.make(r)
			repo := open(t, r)
			if tt.glob == "" {
				tt.glob = "v*"
			}
			last, err := repo.LastTag(t.Context(), "HEAD", tt.glob)
			if err != nil {
				t.Fatal(err)
			}
			previous, err := repo.PreviousTag(t.Context(), "HEAD", tt.glob)
			if err != nil {
				t.Fatal(err)
			}
			var got [2]string
			if last != nil {
				got[0] = last.Ref
			}
			if previous != nil {
				got[1] = previous.Ref
			}
			if diff := cmp.Diff([2]string{tt.last, tt.previous}, got); diff != "" {
				t.Errorf("last and previous tag: %s", diff)
			}
		})
	}
}

func TestTagsOfAShallowClone(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(nil)
	r.Git("tag", "v1")
	r.Commit(nil)
	_, err := open(t, r.Clone("--depth=1")).LastTag(t.Context(), "HEAD", "v*")
	if !errors.Is(err, history.ErrShallow) {
		t.Errorf("error %v, want %v", err, history.ErrShallow)
	}
}

func TestTagPattern(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(nil)
	if _, err := open(t, r).LastTag(t.Context(), "HEAD", "v["); err == nil {
		t.Error("an invalid pattern was taken")
	}
}
