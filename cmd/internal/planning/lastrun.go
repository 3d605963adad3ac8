package planning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// lastRunFile lies in the cache of a desk. It only serves reasons: what is
// built is decided by keys and by the registry.
const lastRunFile = "last-run.json"

// LastRunRef is the name of what the last complete run on this desk made.
const LastRunRef = "the last run here"

type lastRun struct {
	Tree string `json:"tree"`
}

// Remember notes that a run made everything that was planned of rev, so that a
// desk without a release can still be told what it changed since.
func Remember(a *app.App, rev model.Revision) error {
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	content, err := json.Marshal(lastRun{Tree: rev.Tree})
	if err != nil {
		return err
	}
	f, err := os.CreateTemp(cache, "."+lastRunFile+"-")
	if err != nil {
		return fmt.Errorf("remembering the run: %w", err)
	}
	_, err = f.Write(append(content, '\n'))
	if err = errors.Join(err, f.Close()); err == nil {
		err = os.Rename(f.Name(), filepath.Join(cache, lastRunFile))
	}
	if err != nil {
		return errors.Join(fmt.Errorf("remembering the run: %w", err), os.Remove(f.Name()))
	}
	return nil
}

// lastRun is what Remember noted, nil where there is nothing that can be read:
// a cache may be stale, torn or somebody else's.
func (s *Session) lastRun(ctx context.Context) (*model.Revision, error) {
	if s.app.CI() {
		return nil, nil
	}
	content, err := os.ReadFile(filepath.Join(s.Repo.Root(), ".cache", lastRunFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the last run: %w", err)
	}
	rev := model.Revision{Ref: LastRunRef, Tree: recorded(content)}
	if rev.Tree == "" || !s.readable(ctx, rev) {
		return nil, context.Cause(ctx)
	}
	return &rev, nil
}

// recorded is the tree that a record names; empty for what is no record.
func recorded(content []byte) string {
	var last lastRun
	if json.Unmarshal(content, &last) != nil || !model.IsObjectID(last.Tree) {
		return ""
	}
	return last.Tree
}

// readable tells whether the tree is still there: nobody keeps the objects of
// uncommitted work for good.
func (s *Session) readable(ctx context.Context, rev model.Revision) bool {
	_, err := s.Repo.Tree(ctx, rev)
	return err == nil
}
