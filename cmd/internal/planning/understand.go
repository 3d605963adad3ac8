package planning

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// Understand reads what can be understood of a fleet and its policy, for
// commands that must work whatever the images, the lock and the policy of the
// work tree are like; it warns of what it passes over. A policy that is wrong
// counts as the default. Mistakes of the settings are the error.
func Understand(ctx context.Context, a *app.App) (fleet *model.Fleet, _ model.Policy, err error) {
	s, err := open(ctx, a, Options{})
	if err != nil {
		return nil, model.Policy{}, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	tree, err := s.Repo.Tree(ctx, s.rev)
	if err != nil {
		return nil, model.Policy{}, err
	}
	if err := s.findConfig(tree); err != nil {
		return nil, model.Policy{}, err
	}
	fleet, list, err := source.Load(ctx, tree, s.sourceOptions(nil))
	if err != nil {
		return nil, model.Policy{}, fmt.Errorf("loading the fleet of %s: %w", s.rev.Ref, err)
	}
	if err := s.checkSettings(ctx, tree, list); err != nil {
		return nil, model.Policy{}, err
	}
	wrong := s.findPolicy(tree)
	if wrong.HasErrors() {
		s.Policy = policy.Default()
	}
	mistakes := 0
	for _, d := range append(list, wrong...) {
		if d.Severity == diag.Error {
			mistakes++
		}
	}
	if mistakes > 0 {
		a.Log.Warn(fmt.Sprintf("%d mistakes of the work tree are passed over, for they do not matter here: \"rootfsgen validate\" shows them", mistakes))
	}
	return fleet, s.Policy, nil
}

// checkSettings finds what is wrong with the settings by themselves; loaded is
// what is wrong with them and all else.
func (s *Session) checkSettings(ctx context.Context, tree model.Tree, loaded diag.List) error {
	unreadable := slices.DeleteFunc(slices.Clone(loaded), func(d diag.Diagnostic) bool {
		return d.Pos.File != s.config || d.Rule != source.RuleNotAFile && d.Rule != source.RuleMissingFile
	})
	if err := unreadable.Err(); err != nil {
		return err
	}
	content, dir := s.configData, "."
	if content == nil {
		if _, found := tree.Lookup(s.config); !found {
			return nil // then everything has its default
		}
		var err error
		if content, err = tree.Read(ctx, s.config); err != nil {
			return fmt.Errorf("reading %s: %w", s.config, err)
		}
		dir = path.Dir(s.config)
	}
	_, list := source.ReadSettings(s.config, dir, content)
	return list.Err()
}
