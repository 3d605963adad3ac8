package planning

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Links are the texts of the symbolic links that an explanation names, old and
// new, by path: a link's text says more than its object's name.
type Links map[string][2]string

// LinksOf reads the links that differ. What cannot be found is left out.
func (s *Session) LinksOf(ctx context.Context, explained []Explanation) (Links, error) {
	links := Links{}
	var then model.Tree
	for _, r := range linkReasons(explained) {
		if _, known := links[r.Path]; known {
			continue
		}
		if then == nil && s.Then != nil {
			var err error
			if then, err = s.Repo.Tree(ctx, s.Then.Revision); err != nil {
				return nil, fmt.Errorf("reading the links of %s: %w", s.Then.Revision.Ref, err)
			}
		}
		old, err := linkText(ctx, then, r.Path, r.Old)
		if err != nil {
			return nil, err
		}
		now, err := linkText(ctx, s.Tree, r.Path, r.New)
		if err != nil {
			return nil, err
		}
		links[r.Path] = [2]string{old, now}
	}
	return links, nil
}

// linkText is what a link at path says; empty for what is none.
func linkText(ctx context.Context, tree model.Tree, path, object string) (string, error) {
	if tree == nil || !isLink(object) {
		return "", nil
	}
	b, err := tree.Read(ctx, path)
	if errors.Is(err, fs.ErrNotExist) { // its folder has moved
		return "", nil
	}
	if err != nil {
		return "", fmt.Errorf("reading the link %s: %w", path, err)
	}
	return string(b), nil
}

func isLink(object string) bool { return strings.HasPrefix(object, "120000 ") }

// linkReasons are the reasons of files that are links, or were: among the
// differences and the causes.
func linkReasons(explained []Explanation) []model.Reason {
	var out []model.Reason
	add := func(r model.Reason) {
		if r.Path != "" && (isLink(r.Old) || isLink(r.New)) {
			out = append(out, r)
		}
	}
	for i := range explained {
		for _, r := range explained[i].Differences {
			add(r)
		}
		for _, c := range explained[i].Causes {
			add(c.Reason)
		}
	}
	return out
}
