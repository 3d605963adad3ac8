package planning

import (
	"context"
	"errors"
	"fmt"
	"path"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// Compare finds what to compare with and loads it into Then. Nothing to
// compare with is no error: everything is new then.
func (s *Session) Compare(ctx context.Context) error {
	from, err := s.earlier(ctx)
	if err != nil || from == nil {
		return err
	}
	then, err := s.before(ctx, *from)
	if err != nil {
		return fmt.Errorf("loading the fleet of %s: %w", from.Ref, err)
	}
	s.Then = then
	err = s.orphans(ctx)
	s.Repo.Forget() // what was read has become keys
	s.cache = nil
	return err
}

// earlier finds what to compare with, nil for nothing. It needs no more of Now
// than its revision and the settings.
func (s *Session) earlier(ctx context.Context) (*model.Revision, error) {
	if err := s.findTag(ctx); err != nil {
		return nil, err
	}
	from, err := s.from(ctx)
	if err != nil {
		return nil, fmt.Errorf("finding what to compare with: %w", err)
	}
	if from == nil {
		if from, err = s.lastRun(ctx); err != nil {
			return nil, err
		}
		if from == nil {
			s.note("No tag matches %q on this branch.", s.Now.Fleet.Settings.ReleaseTags)
			return nil, nil
		}
		s.note("No tag matches %q on this branch; compared with %s.", s.Now.Fleet.Settings.ReleaseTags, from.Ref)
	}
	s.since = from
	return from, nil
}

// orphans refuses a fleet in which something is built from an image that was
// removed since.
func (s *Session) orphans(ctx context.Context) error {
	if s.Then == nil {
		return nil
	}
	list := graph.Orphans(s.Then.Graph, s.Now.Graph).WithLines(func(file string) []byte {
		content, err := s.Tree.Read(ctx, file)
		if err != nil {
			return nil // the place alone must do
		}
		return content
	})
	if err := list.Err(); err != nil {
		return err
	}
	if len(list) > 0 && !s.app.Quiet {
		s.app.PrintDiagnostics(list)
	}
	return nil
}

// before loads the older side. Nothing in it is an error: an image that cannot
// be understood there is not compared, and where that is all of them, there is
// nothing to compare with, which a note says.
func (s *Session) before(ctx context.Context, from model.Revision) (*plan.Snapshot, error) {
	if from.Tree == s.Now.Revision.Tree && s.lock == nil {
		same := *s.Now
		same.Revision = from
		return &same, nil
	}
	changes, err := s.changes(ctx, from)
	if err != nil {
		return nil, err
	}
	tree := s.Repo.Before(s.Tree, changes)
	var lock []byte
	if from.Ref == LastRunRef { // which this desk's own lock counted for
		if lock, err = s.localLock(ctx, tree); err != nil {
			return nil, err
		}
	}
	then, list, err := s.older(ctx, from, tree, changes, lock)
	if err != nil {
		return nil, err
	}
	if then == nil {
		s.unread = from.Ref
		s.note("The images of %s cannot be read: %s.", from.Ref, list.Sorted().Error())
	}
	return then, nil
}

// findTag finds the release tag that is planned: the one that a tag pipeline
// was started for, or that --to names; on a desk any that marks the commit.
func (s *Session) findTag(ctx context.Context) error {
	glob := s.Now.Fleet.Settings.ReleaseTags
	if s.Now.Revision.Commit == "" {
		return nil
	}
	at, err := s.Repo.TagsAt(ctx, s.Now.Revision.Commit, glob)
	if err != nil {
		return err
	}
	started := s.app.Env("CI_COMMIT_TAG")
	if s.app.Env("GITHUB_REF_TYPE") == "tag" {
		started = s.app.Env("GITHUB_REF_NAME")
	}
	wanted := strings.TrimPrefix(s.o.To, "refs/tags/")
	for _, name := range at {
		if name == started || name == wanted {
			s.tag = name
		}
	}
	return nil
}

// rebuildTag is the tag that asks for everything to be built anew.
func (s *Session) rebuildTag(ctx context.Context) (string, error) {
	if strings.HasSuffix(s.tag, "a") {
		return s.tag, nil
	}
	if s.app.CI() || s.Now.Revision.Commit == "" || s.o.Scope == model.ScopePR {
		return "", nil
	}
	at, err := s.Repo.TagsAt(ctx, s.Now.Revision.Commit, s.Now.Fleet.Settings.ReleaseTags)
	if err != nil || len(at) == 0 || !strings.HasSuffix(at[0], "a") {
		return "", err
	}
	return at[0], nil
}

// from is what to compare with, nil for nothing.
func (s *Session) from(ctx context.Context) (*model.Revision, error) {
	to := s.Now.Revision.Commit
	if to == "" {
		to = "HEAD"
	}
	switch {
	case s.o.From != "":
		rev, err := s.Repo.Commit(ctx, s.o.From)
		return &rev, err
	case s.o.Scope == model.ScopePR:
		return s.mergeBase(ctx, to)
	case s.tag != "":
		return s.Repo.PreviousTag(ctx, to, s.Now.Fleet.Settings.ReleaseTags)
	}
	rev, err := s.Repo.LastTag(ctx, to, s.Now.Fleet.Settings.ReleaseTags)
	if errors.Is(err, history.ErrNoCommits) && s.Now.Revision.Commit == "" {
		return nil, nil
	}
	return rev, err
}

// mergeBase is where a request parted from the branch that it goes to.
func (s *Session) mergeBase(ctx context.Context, to string) (*model.Revision, error) {
	branch := s.Now.Fleet.Settings.DefaultBranch
	candidates := []string{s.app.Env("CI_MERGE_REQUEST_DIFF_BASE_SHA")}
	for _, b := range []string{s.app.Env("GITHUB_BASE_REF"), s.app.Env("CI_MERGE_REQUEST_TARGET_BRANCH_NAME"), branch} {
		if b != "" {
			candidates = append(candidates, path.Join("refs/remotes/origin", b), path.Join("refs/heads", b))
		}
	}
	var first error
	for _, ref := range candidates {
		if ref == "" {
			continue
		}
		rev, err := s.Repo.MergeBase(ctx, ref, to)
		if err == nil {
			rev.Ref = ref
			return &rev, nil
		}
		if !errors.Is(err, history.ErrUnknown) {
			return nil, err
		}
		if first == nil {
			first = err
		}
	}
	return nil, first
}
