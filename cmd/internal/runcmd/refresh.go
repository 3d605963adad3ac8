package runcmd

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// refresh looks, on a desk, whether Debian's archive still has the packages
// that p would build from. Where it has moved on from images.lock, the desk
// goes by what is there now, says so, and plans again. In CI, and for a plan
// that was given, the build itself fails and names the command to run.
func (o *running) refresh(ctx context.Context, a *app.App, p *model.Plan, images []string) (*model.Plan, error) {
	var ids []model.TargetID
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Action == model.ActionBuild && e.Steps[model.StepBuild] == model.StepRun && e.Recipe != nil && e.Recipe.Debian != nil {
			ids = append(ids, e.ID())
		}
	}
	if a.CI() || o.file != "" || len(ids) == 0 {
		return p, nil
	}
	moved, err := o.moved(ctx, a, ids)
	if err != nil || len(moved) == 0 {
		return p, err
	}
	for _, m := range moved {
		if m.Err == nil {
			fmt.Fprintf(a.Err, "the packages of %s are not in images.lock: building from those of today\n", m.Target)
		} else {
			fmt.Fprintf(a.Err, "%v\nbuilding from the packages of today, kept in %s\n", m.Err, source.LocalLockFile)
		}
	}
	return o.prepare(ctx, a, images)
}

func (o *running) moved(ctx context.Context, a *app.App, ids []model.TargetID) (_ []locking.Moved, err error) {
	quiet := *a
	quiet.Quiet = true // its warnings have been printed
	s, err := planning.Load(ctx, &quiet, o.options)
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	committed, err := s.Tree.Read(ctx, source.LockPath(s.Now.Fleet.Settings.Dir))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, err
	}
	root := s.Repo.Root()
	return locking.Refresher{
		Root: root, Cache: filepath.Join(root, ".cache", "debian"), Committed: committed, Desk: true,
	}.Refresh(ctx, s.Now.Fleet, ids)
}
