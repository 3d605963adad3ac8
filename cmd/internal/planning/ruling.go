package planning

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// Ruling is what a commit says of what may be promoted.
type Ruling struct {
	Commit string
	Policy model.Policy
	VEX    map[string][]byte // the documents of its folder, by their paths
	Trust  model.Digest      // of whom it trusts, and of their keys
}

// Rulings are that of what is checked out, and that of a branch of origin as
// the checkout has it.
func Rulings(ctx context.Context, a *app.App, branch string) (own, theirs Ruling, err error) {
	s, err := open(ctx, a, Options{})
	if err != nil {
		return own, theirs, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	tree, err := s.Repo.Tree(ctx, s.rev)
	if err == nil {
		err = s.findConfig(tree)
	}
	if err != nil {
		return own, theirs, err
	}
	rev, err := s.Repo.Commit(ctx, "refs/remotes/origin/"+branch)
	if err != nil {
		return own, theirs, fmt.Errorf("%w\nhint: promote from a checkout that has origin/%s, as one with all of its history has", err, branch)
	}
	if own, err = s.ruling(ctx, s.rev, tree); err != nil || rev.Commit == s.rev.Commit {
		return own, own, err
	}
	after, err := s.Repo.Tree(ctx, rev)
	if err == nil {
		err = s.sameConfig(tree, after, branch)
	}
	if err != nil {
		return own, theirs, err
	}
	if theirs, err = s.ruling(ctx, rev, after); err != nil {
		err = fmt.Errorf("%w\nhint: what origin/%s has is another program's, or wrong: tag what this one reads", err, branch)
	}
	return own, theirs, err
}

// sameConfig refuses a branch that keeps its settings elsewhere: it would seem
// to have none, and to trust nobody.
func (s *Session) sameConfig(here, there model.Tree, branch string) error {
	if _, found := here.Lookup(s.config); !found || s.configData != nil {
		return nil
	}
	if _, found := there.Lookup(s.config); !found {
		return fmt.Errorf("origin/%s has no %s\nhint: tag a commit that has its settings where origin/%s has them", branch, s.config, branch)
	}
	return nil
}

func (s *Session) ruling(ctx context.Context, rev model.Revision, tree model.Tree) (r Ruling, err error) {
	r = Ruling{Commit: rev.Commit, VEX: map[string][]byte{}}
	p, _, list := policy.Load(tree, path.Dir(s.lockPath()))
	if err := list.Err(); err != nil {
		return r, err
	}
	r.Policy = p
	for _, e := range tree.Entries() {
		if path.Dir(e.Path) != scan.VEXDir || path.Ext(e.Path) != ".json" {
			continue
		}
		if e.Mode != model.ModeFile && e.Mode != model.ModeExecutable {
			return r, &scan.VEXError{File: e.Path, Err: errors.New("it is no file")}
		}
		if r.VEX[e.Path], err = tree.Read(ctx, e.Path); err != nil {
			return r, fmt.Errorf("reading %s: %w", e.Path, err)
		}
	}
	r.Trust, err = s.trust(ctx, tree)
	return r, err
}

// trust identifies whom the settings of a tree trust, by their keys' content.
func (s *Session) trust(ctx context.Context, tree model.Tree) (model.Digest, error) {
	content := s.configData
	if _, found := tree.Lookup(s.config); found && content == nil {
		var err error
		if content, err = tree.Read(ctx, s.config); err != nil {
			return "", fmt.Errorf("reading %s: %w", s.config, err)
		}
	}
	var whom model.Trust
	if content != nil {
		set, list := source.ReadSettings(s.config, path.Dir(s.lockPath()), content)
		if err := list.Err(); err != nil {
			return "", err
		}
		whom = set.Trust
	}
	b, err := json.Marshal(whom)
	if err != nil {
		return "", err
	}
	text := []string{string(b)}
	files := []string{whom.Root}
	for _, signer := range append(append([]model.Signer{}, whom.Signers...), whom.Builders...) {
		files = append(files, signer.Key)
	}
	for _, file := range files {
		if e, found := tree.Lookup(file); found {
			text = append(text, file+" "+e.OID)
		}
	}
	return model.DigestOf([]byte(strings.Join(text, "\n"))), nil
}
