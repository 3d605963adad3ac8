package gencmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path/filepath"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// lockCommand writes down what the world outside looks like.
func lockCommand(a *app.App) *cobra.Command {
	var update, check bool
	cmd := &cobra.Command{
		Use: "lock", Short: "Write images.lock: outside images and Debian packages, as they are now",
		Long: `Write images.lock for the work tree: the digest and configuration of each image
that is built from but is not of this fleet, and the Debian packages of each
image that is made from them.

What is written down stays as it is; only what is missing is looked up. With
--update everything is looked up anew.`,
		Example: "  rootfsgen lock\n  rootfsgen lock --update\n  rootfsgen lock --check",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runLock(cmd.Context(), a, update, check) },
	}
	cmd.Flags().BoolVar(&update, "update", false, "look everything up anew")
	cmd.Flags().BoolVar(&check, "check", false, "write nothing; exit code 4 when the file would change")
	return cmd
}

// locked is what lock --json prints.
type locked struct {
	Changed bool     `json:"changed"`
	Bases   []string `json:"bases"`   // whose entry is new or another
	Targets []string `json:"targets"` // whose packages are new or others
	Suites  []string `json:"suites"`  // whose state is new or another
}

func runLock(ctx context.Context, a *app.App, update, check bool) (err error) {
	// What is not locked is what this command is there for: no error, in CI
	// neither. And what only this desk has resolved must not go in.
	desk := *a
	desk.Quiet = true
	desk.Env = func(name string) string {
		if name == "CI" {
			return ""
		}
		return a.Env(name)
	}
	s, err := planning.Load(ctx, &desk, planning.Options{To: history.WorktreeRef})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	old, content, err := committedLock(ctx, s)
	if err != nil {
		return err
	}
	locker := locking.Locker{
		Registry: registry.New(registry.Options{Log: a.Log}),
		Cache:    filepath.Join(s.Repo.Root(), ".cache", "debian"), Update: update,
	}
	now, mistakes, err := locker.Lock(ctx, s.Now.Fleet, s.Now.Graph, old)
	if err != nil {
		return err
	}
	if err := mistakes.WithLines(func(file string) []byte {
		b, _ := s.Tree.Read(ctx, file) // a line that cannot be shown is left out
		return b
	}).Err(); err != nil {
		return err
	}
	result := difference(old, now)
	result.Changed = !bytes.Equal(content, source.FormatLock(now)) && (content != nil || len(now.Bases)+len(now.Debian) > 0)
	if result.Changed && !check {
		if err := locking.Write(s.Repo.Root(), now); err != nil {
			return err
		}
	}
	if err := printLocked(a, result, check); err != nil {
		return err
	}
	if result.Changed && check {
		return app.Fail(app.ExitDrift, nil)
	}
	return nil
}

// committedLock is images.lock of the work tree; nil content where there is
// none.
func committedLock(ctx context.Context, s *planning.Session) (model.Lock, []byte, error) {
	content, err := s.Tree.Read(ctx, source.LockFile)
	if errors.Is(err, fs.ErrNotExist) {
		return model.Lock{}, nil, nil
	}
	if err != nil {
		return model.Lock{}, nil, err
	}
	lock, list := source.ParseLock(content, source.LockFile)
	return lock, content, list.Err()
}

// difference names what differs.
func difference(old, now model.Lock) locked {
	d := locked{Bases: []string{}, Targets: []string{}, Suites: []string{}}
	for _, ref := range slices.Sorted(maps.Keys(now.Bases)) {
		if !same(old.Bases[ref], now.Bases[ref]) {
			d.Bases = append(d.Bases, ref)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(now.Debian)) {
		was, is := old.Debian[name], now.Debian[name]
		if was.InRelease != is.InRelease {
			d.Suites = append(d.Suites, name)
		}
		for _, target := range slices.Sorted(maps.Keys(is.Images)) {
			if !maps.Equal(was.Images[target], is.Images[target]) {
				d.Targets = append(d.Targets, target)
			}
		}
	}
	return d
}

func same(a, b model.LockedBase) bool {
	return a.Digest == b.Digest && maps.EqualFunc(a.Platforms, b.Platforms, func(x, y model.LockedVariant) bool {
		return x.Digest == y.Digest && x.Config.WorkingDir == y.Config.WorkingDir && x.Config.User == y.Config.User &&
			slices.Equal(x.Config.Env, y.Config.Env) && slices.Equal(x.Config.OnBuild, y.Config.OnBuild)
	})
}

func printLocked(a *app.App, d locked, check bool) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(d)
	}
	verb := "wrote"
	switch {
	case !d.Changed:
		_, err := fmt.Fprintln(a.Out, "images.lock: nothing to change")
		return err
	case check:
		verb = "would change:"
	}
	if _, err := fmt.Fprintf(a.Out, "images.lock: %s\n", verb); err != nil {
		return err
	}
	for _, part := range []struct {
		what  string
		names []string
	}{{"image", d.Bases}, {"packages of", d.Targets}, {"state of Debian", d.Suites}} {
		for _, name := range part.names {
			if _, err := fmt.Fprintf(a.Out, "  %s %s\n", part.what, name); err != nil {
				return err
			}
		}
	}
	return nil
}
