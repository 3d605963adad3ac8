package history_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// versions collects the earlier contents of a file.
func versions(t *testing.T, repo *history.Repo, path string) []string {
	t.Helper()
	var all []string
	for content, err := range repo.Versions(t.Context(), path) {
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, string(content))
	}
	return all
}

func TestVersions(t *testing.T) {
	t.Parallel()
	const path = "a[1]*/ü.yml"
	r := gittest.New(t)
	if got := versions(t, open(t, r), path); got != nil {
		t.Errorf("before the first commit: %q", got)
	}
	r.Commit(map[string]string{path: "1", "a1x/ü.yml": "another file"})
	r.Git("checkout", "-q", "-b", "side")
	r.Commit(map[string]string{path: "2"})
	r.Git("checkout", "-q", "main")
	r.Commit(map[string]string{path: "3"})
	r.Commit(map[string]string{path: "1"})
	r.Git("rm", "-q", path)
	r.Git("commit", "-q", "-m", "Remove it")
	r.Write(map[string]string{path: "staged"})
	r.Git("add", "-A")
	got := versions(t, open(t, r), path)
	if len(got) != 4 || got[0] != "staged" {
		t.Fatalf("got %q", got)
	}
	seen := map[string]bool{}
	for _, v := range got {
		seen[v] = true
	}
	if d := cmp.Diff(map[string]bool{"staged": true, "1": true, "2": true, "3": true}, seen); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for content, err := range open(t, r).Versions(t.Context(), path) {
		if err != nil || string(content) != "staged" {
			t.Errorf("got %q first, %v", content, err)
		}
		break
	}
}

func TestMerge(t *testing.T) {
	t.Parallel()
	repo := open(t, gittest.New(t))
	for name, c := range map[string]struct {
		base, ours, theirs string
		want               string
		conflict           bool
	}{
		"neither":      {base: "a\nb\n", ours: "a\nb\n", theirs: "a\nb\n", want: "a\nb\n"},
		"ours alone":   {base: "a\nb\n", ours: "a\nb\nc\n", theirs: "a\nb\n", want: "a\nb\nc\n"},
		"theirs alone": {base: "a\nb\n", ours: "a\nb\n", theirs: "z\nb\n", want: "z\nb\n"},
		"both, apart":  {base: "a\nb\nc\nd\ne\n", ours: "A\nb\nc\nd\ne\n", theirs: "a\nb\nc\nd\nE\n", want: "A\nb\nc\nd\nE\n"},
		"both, alike":  {base: "a\n", ours: "b\n", theirs: "b\n", want: "b\n"},
		"both": {
			base: "a\n", ours: "b\n", theirs: "c\n", conflict: true,
			want: "<<<<<<< mine\nb\n||||||| before\na\n=======\nc\n>>>>>>> now\n",
		},
		"no base": {
			ours: "a\nb\nd\n", theirs: "a\nc\nd\n", conflict: true,
			want: "a\n<<<<<<< mine\nb\n=======\nc\n>>>>>>> now\nd\n",
		},
		"no base, alike": {ours: "a\n", theirs: "a\n", want: "a\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			got, conflict, err := repo.Merge(t.Context(), history.Side{Name: "before", Text: []byte(c.base)},
				history.Side{Name: "mine", Text: []byte(c.ours)}, history.Side{Name: "now", Text: []byte(c.theirs)})
			if err != nil || conflict != c.conflict || string(got) != c.want {
				t.Errorf("%q, %v, %v", got, conflict, err)
			}
		})
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if _, _, err := repo.Merge(ctx, history.Side{}, history.Side{}, history.Side{}); err == nil {
		t.Error("a merge that was cancelled has a result")
	}
}
