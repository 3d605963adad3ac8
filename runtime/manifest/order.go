package manifest

import (
	"context"
	"errors"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Relation is how one commit stands to another.
type Relation int

// The relations of a commit to the one in a document.
const (
	Same     Relation = iota
	Newer             // it descends from the document's
	Older             // the document's descends from it
	Diverged          // neither
)

// Order tells how a commit stands to the one in a document.
type Order func(ctx context.Context, commit, document string) (Relation, error)

// GitOrder asks the repository at dir. A commit that this clone does not have
// is an error: not knowing is not the same as diverging.
func GitOrder(dir string) Order {
	descends := func(ctx context.Context, ancestor, commit string) (bool, error) {
		err := tool.Command{Name: "git", Args: []string{"merge-base", "--is-ancestor", ancestor, commit}, Dir: dir, Env: tool.GitEnviron()}.Run(ctx)
		var exit *tool.ExitError
		if errors.As(err, &exit) && exit.Code == 1 {
			return false, nil
		}
		return err == nil, err
	}
	return func(ctx context.Context, commit, document string) (Relation, error) {
		for _, c := range []string{commit, document} {
			if !model.IsObjectID(c) { // a document is anybody's who writes to the channel; git would take it for an option
				return Diverged, fmt.Errorf("comparing commits: %q is not the id of a commit", c)
			}
		}
		if commit == document {
			return Same, nil
		}
		for _, c := range []struct {
			ancestor, commit string
			then             Relation
		}{{document, commit, Newer}, {commit, document, Older}} {
			yes, err := descends(ctx, c.ancestor, c.commit)
			if err != nil {
				return Diverged, fmt.Errorf("comparing commit %s with the document's %s: %w\n"+
					"hint: the clone needs the whole history (fetch-depth: 0, GIT_DEPTH: 0); after a rewritten history, --replace takes over", short(commit), short(document), err)
			}
			if yes {
				return c.then, nil
			}
		}
		return Diverged, nil
	}
}

func short(commit string) string { return commit[:min(12, len(commit))] }

// Superseded is a document that already speaks of a newer commit; it is left
// as it is.
type Superseded struct {
	Name           string // of the document
	Commit, Holder string // of the run, of the document
}

// Error says which commit is there.
func (s *Superseded) Error() string {
	return fmt.Sprintf("%s is of the newer commit %s; this run, of %s, leaves it as it is", s.Name, short(s.Holder), short(s.Commit))
}

// MayReplace tells whether a run at commit may replace a document. A newer
// document is a *Superseded. Work trees, which have no commit, are not compared.
func MayReplace(ctx context.Context, order Order, name, commit string, old *Document) error {
	if old == nil || old.Commit == "" || commit == "" || order == nil {
		return nil
	}
	r, err := order(ctx, commit, old.Commit)
	switch {
	case err != nil:
		return err
	case r == Older:
		return &Superseded{Name: name, Commit: commit, Holder: old.Commit}
	case r == Diverged:
		return fmt.Errorf("%s is of commit %s, from which %s does not descend\nhint: --replace takes over after a rewritten history", name, short(old.Commit), short(commit))
	}
	return nil
}
