package gencmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// blamed are the updates that are known to fail: those that the lock notes,
// and those of the lock that was offered last. Nothing was offered where there
// is no such file.
func (o *lockOptions) blamed(_ context.Context, s *planning.Session, old model.Lock, now time.Time) (map[string]model.FailedBase, error) {
	u := s.Now.Fleet.Settings.Updates
	if u.BackoffSeconds == 0 && u.Quarantine == 0 {
		return nil, nil // nobody counts
	}
	if o.offered == "" {
		return old.Failed, nil
	}
	content, err := os.ReadFile(o.offered)
	if errors.Is(err, fs.ErrNotExist) {
		return old.Failed, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading what was offered: %w", err)
	}
	offered, list := source.ParseLock(content, o.offered)
	if err := list.Err(); err != nil {
		return nil, err
	}
	words, err := os.ReadFile(o.failed)
	if err != nil {
		return nil, app.Unread("--failed", err)
	}
	return locking.Blame(s.Now.Graph, old, offered, meantBy(s, strings.Fields(string(words))), now), nil
}

// meantBy are the targets that words mean, as commands or jobs call them. What
// means nothing is of a fleet that has changed since.
func meantBy(s *planning.Session, words []string) map[model.TargetID]bool {
	all := s.Now.Graph.Targets()
	names := model.NodeNames(all)
	out := map[model.TargetID]bool{}
	for _, word := range words {
		for _, id := range all {
			if names[id.AllPlatforms()] == word || plan.Means(word, id) {
				out[id] = true
			}
		}
	}
	return out
}
