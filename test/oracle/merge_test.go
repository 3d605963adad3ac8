package oracle

import (
	"context"
	"maps"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// parts cuts the images of a sample in two: what each of two people edits.
func parts(s *sample) (mine, yours files) {
	mine, yours = maps.Clone(s.then), maps.Clone(s.then)
	all := maps.Clone(s.then)
	maps.Copy(all, s.now)
	for p := range all {
		parts := strings.Split(p, "/")
		if len(parts) < 3 || parts[0] != "images" || strings.HasSuffix(p, "ignore") {
			continue // what one leaves out can be what the other adds
		}
		side := mine
		if parts[1] == "base" || parts[1] == "app" {
			side = yours
		}
		f, found := s.now[p]
		if !found {
			delete(side, p)
			continue
		}
		side[p] = f
	}
	return mine, yours
}

// branches is a repository whose commits are read as a plan reads them.
type branches struct {
	*gittest.Repo
	repo  *history.Repo
	world *world
}

// commit makes a commit of a whole tree.
func (b *branches) commit(t *testing.T, f files) string {
	b.Git("rm", "-rqf", "--ignore-unmatch", ".")
	for p, file := range f {
		content := f[p].Content
		if tree := b.world.fill(files{p: file}); file.Mode != model.ModeSymlink {
			text, err := tree.Read(context.Background(), p)
			if err != nil {
				t.Fatal(err)
			}
			content = string(text)
		}
		full := filepath.Join(b.Dir, filepath.FromSlash(p))
		if err := os.MkdirAll(filepath.Dir(full), 0o755); err != nil {
			t.Fatal(err)
		}
		var err error
		switch file.Mode {
		case model.ModeSymlink:
			err = os.Symlink(content, full)
		case model.ModeExecutable:
			err = os.WriteFile(full, []byte(content), 0o755) //nolint:gosec // a program
		default:
			err = os.WriteFile(full, []byte(content), 0o644) //nolint:gosec // a file as git checks it out
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return b.Commit(nil)
}

// keys are those of a commit; false when it cannot be planned.
func (b *branches) keys(t *testing.T, commit string) (map[model.TargetID]model.Digest, bool) {
	ctx := context.Background()
	rev, err := b.repo.Commit(ctx, commit)
	if err != nil {
		t.Fatal(err)
	}
	tree, err := b.repo.Tree(ctx, rev)
	if err != nil {
		t.Fatal(err)
	}
	fleet, list, err := source.Load(ctx, tree, source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	g, more, err := graph.Build(ctx, fleet, tree, graph.Options{})
	if err != nil {
		t.Fatal(err)
	}
	keys, last, err := key.Compute(ctx, fleet, g, tree)
	if err != nil {
		t.Fatal(err)
	}
	return digestsOf(keys), !list.HasErrors() && !more.HasErrors() && !last.HasErrors()
}

// What a merge of two branches affects is what the one affects and what the
// other does, however git came to the tree; taking it back restores the keys.
func TestMergeAffectsTheUnion(t *testing.T) {
	r := gittest.New(t)
	repo, err := history.Open(t.Context(), r.Dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = repo.Close() })
	b := &branches{Repo: r, repo: repo, world: paper()}
	merges, of := 0, max(*count/5, 10)
	for i := range of {
		s := samples().Example(int(*base) + i)
		mine, yours := parts(s)
		r.Git("checkout", "-q", "-B", "trunk")
		start := b.commit(t, s.then)
		b.commit(t, mine)
		r.Git("checkout", "-q", "-B", "yours", start)
		other := b.commit(t, yours)
		one := r.Git("rev-parse", "trunk")
		r.Git("-c", "merge.renames=false", "merge", "-q", "--no-ff", "-m", "merge", one)
		merged := r.Git("rev-parse", "HEAD")
		r.Git("revert", "-n", "-m", "1", merged)
		r.Commit(nil)
		r.Git("revert", "-n", other)
		r.Commit(nil)
		var keys []map[model.TargetID]model.Digest
		for _, commit := range []string{start, one, other, merged, "HEAD"} {
			if k, ok := b.keys(t, commit); ok {
				keys = append(keys, k)
			}
		}
		if len(keys) < 5 {
			continue // one of them cannot be planned
		}
		merges++
		want := affected(keys[0], keys[1])
		maps.Copy(want, affected(keys[0], keys[2]))
		if got := affected(keys[0], keys[3]); !maps.Equal(want, got) {
			t.Fatalf("seed %d: the branches affect %v, the merge %v\n%s", int(*base)+i, want, got, s.archive())
		}
		if !maps.Equal(keys[0], keys[4]) {
			t.Fatalf("seed %d: taking it back does not restore the keys\n%s", int(*base)+i, s.archive())
		}
	}
	if merges*2 < of {
		t.Errorf("%d of %d merges can be planned: the test says little", merges, of)
	}
}
