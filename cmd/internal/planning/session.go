package planning

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// Session is a repository that was loaded to be planned. Close it.
type Session struct {
	Repo *history.Repo
	Tree model.Tree     // of Now
	Now  *plan.Snapshot //
	Then *plan.Snapshot // nil until Compare found something to compare with

	Warnings diag.List // of the files of Now; they have been printed

	Policy   model.Policy // of Now: what images must pass
	PolicyIn bool         // it is in a file, and not the default

	app        *app.App
	o          Options
	cache      *graph.Cache
	config     string          // path of the settings in a tree
	configData []byte          // the settings, where they lie outside
	lock       []byte          // the desk's own, where it counts for Now
	read       map[string]bool // the files of Now that say what the fleet is
	rev        model.Revision  // of Now, before that is loaded
	local      []byte          // the file of the desk's own lock
	time       time.Time
	tag        string // the release tag that is planned, empty where none is
	unread     string // the older side, where none of it could be understood
	notes      []string
	since      *model.Revision // what Now is compared with, readable or not
	req        plan.Request    // but for the notes
	asked      bool            // the registry had to answer
	hinted     atomic.Bool     // git was asked about files that are in no tree
	said       bool            // the warnings were printed already

	ahead  *outlook                     // nil where nothing was foreseen
	plain  map[string]*dockerfile.Plain // of the build files of Now, by blob; nil where none was looked at
	part   *graph.Part                  // that Now and Then are of; nil for the whole fleet
	differ *difference                  // nil until somebody asks
}

// Load opens the repository and loads the fleet that is to be planned.
// Mistakes in its files are the error, a diag.List; warnings are printed.
func Load(ctx context.Context, a *app.App, o Options) (*Session, error) {
	s, err := open(ctx, a, o)
	if err != nil {
		return nil, err
	}
	if err := s.load(ctx); err != nil {
		return nil, errors.Join(err, s.Close())
	}
	return s, nil
}

// open finds what is to be planned, and reads nothing of it.
func open(ctx context.Context, a *app.App, o Options) (*Session, error) {
	if err := o.check(); err != nil {
		return nil, err
	}
	repo, err := history.Open(ctx, a.Dir)
	if err != nil {
		return nil, err
	}
	s := &Session{Repo: repo, app: a, o: o, cache: graph.NewCache()}
	if s.rev, err = s.target(ctx); err == nil && !a.CI() {
		s.local, err = locking.Local(repo.Root())
	}
	if err != nil {
		return nil, errors.Join(err, repo.Close())
	}
	return s, nil
}

// Close ends the reading of the repository.
func (s *Session) Close() error { return s.Repo.Close() }

// NoImages is what a fleet without images is told.
const NoImages = "No image was found: name the folder that holds them with images: in rootfsgen.yaml, or begin with rootfsgen init."

func (s *Session) load(ctx context.Context) error {
	s.app.SpareCollector()
	rev := s.rev
	tree, err := s.Repo.Tree(ctx, rev)
	if err != nil {
		return err
	}
	if err := s.findConfig(tree); err != nil {
		return err
	}
	if s.lock, err = s.localLock(ctx, tree); err != nil {
		return err
	}
	now, list, err := s.snapshot(ctx, rev, tree)
	if err != nil {
		return fmt.Errorf("loading the fleet of %s: %w", rev.Ref, err)
	}
	list = append(list, s.findPolicy(tree)...)
	list = list.Sorted().WithLines(func(file string) []byte {
		content, err := tree.Read(ctx, file)
		if err != nil && file == s.app.Config {
			return s.configData
		}
		return content
	})
	if err := writeCodeQuality(s.o.CodeQuality, list); err != nil {
		return err
	}
	if err := list.Err(); err != nil {
		return err
	}
	if !s.app.Quiet && !s.said {
		s.app.PrintDiagnostics(list)
	}
	now.Fleet.Settings.Judging = s.Policy.Judging()
	s.Tree, s.Now, s.Warnings = tree, now, list
	s.Repo.Forget() // what was read has become keys
	s.noteHeld()
	if len(now.Fleet.Images) == 0 && s.part == nil { // an empty plan must not look like one without changes
		s.note(NoImages)
	}
	return nil
}

// shownHeld updates are named one by one.
const shownHeld = 5

// noteHeld says which updates of bases are held back because images failed with
// them. It follows from images.lock: when one is tried again depends on the
// clock, and is for "rootfsgen lock" to say.
func (s *Session) noteHeld() {
	failed, most := s.Now.Fleet.Lock.Failed, s.Now.Fleet.Settings.Updates.Quarantine
	for i, ref := range slices.Sorted(maps.Keys(failed)) {
		if i == shownHeld {
			s.note("And %d more updates of bases are held back: images.lock has them.", len(failed)-i)
			return
		}
		f, state := failed[ref], "waits"
		if most > 0 && f.Failures >= most {
			state = "is in quarantine"
		}
		s.note("The update of %s to %s %s: %s failed %s with it.", ref, f.Digest.Short(), state, locking.With(f), locking.Times(f))
	}
}

// target is what to plan: what was asked for, else HEAD, but on a desk with
// uncommitted work that.
func (s *Session) target(ctx context.Context) (model.Revision, error) {
	if s.o.To == history.WorktreeRef || s.o.To == "" && !s.app.CI() {
		return s.desk(ctx)
	}
	ref := s.o.To
	if ref == "" {
		ref = "HEAD"
	}
	rev, err := s.Repo.Commit(ctx, ref)
	if err != nil {
		return model.Revision{}, err
	}
	s.time, err = s.Repo.CommitTime(ctx, rev.Commit)
	return rev, err
}

func (s *Session) desk(ctx context.Context) (model.Revision, error) {
	rev, err := s.Repo.Uncommitted(ctx)
	if err != nil {
		return model.Revision{}, err
	}
	head, err := s.Repo.Commit(ctx, "HEAD")
	if errors.Is(err, history.ErrNoCommits) {
		s.time = time.Now().UTC()
		return rev, nil
	}
	if err != nil {
		return model.Revision{}, err
	}
	if s.time, err = s.Repo.CommitTime(ctx, head.Commit); err != nil {
		return model.Revision{}, err
	}
	if head.Tree == rev.Tree && s.o.To == "" {
		rev = head
	}
	return rev, nil
}

// findConfig settles whether the settings lie in the tree or outside.
func (s *Session) findConfig(tree model.Tree) error {
	file := s.app.Config
	if file == "" || file == source.DefaultConfig {
		dir, err := s.below()
		s.config, _ = source.FindConfig(tree, dir)
		return err
	}
	if !filepath.IsAbs(file) {
		file = filepath.Join(s.app.Dir, file)
	}
	file, err := filepath.Abs(file)
	if err != nil {
		return fmt.Errorf("finding --config: %w", err)
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(file)); err == nil {
		file = filepath.Join(dir, filepath.Base(file))
	}
	if rel, err := filepath.Rel(s.Repo.Root(), file); err == nil && filepath.IsLocal(rel) {
		s.config = filepath.ToSlash(rel)
		if _, found := tree.Lookup(s.config); found {
			return nil
		}
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return app.Unread("--config", err)
	}
	s.config, s.configData = s.app.Config, append([]byte{}, content...)
	return nil
}

// below is the folder that was named with -C, from the root of the tree.
func (s *Session) below() (string, error) {
	dir, err := filepath.Abs(s.app.Dir)
	if err != nil {
		return ".", fmt.Errorf("finding %s: %w", source.DefaultConfig, err)
	}
	if resolved, err := filepath.EvalSymlinks(dir); err == nil {
		dir = resolved
	}
	rel, err := filepath.Rel(s.Repo.Root(), dir)
	if err != nil {
		return ".", fmt.Errorf("finding %s: %w", source.DefaultConfig, err)
	}
	if !filepath.IsLocal(rel) {
		return ".", nil
	}
	return filepath.ToSlash(rel), nil
}

// lockPath is where images.lock lies: beside the settings, and in the root
// where these lie outside.
func (s *Session) lockPath() string {
	if s.configData != nil {
		return source.LockFile
	}
	return source.LockPath(path.Dir(s.config))
}

// findPolicy finds what images must pass, beside the lock.
func (s *Session) findPolicy(tree model.Tree) (list diag.List) {
	s.Policy, s.PolicyIn, list = policy.Load(tree, path.Dir(s.lockPath()))
	return list
}

// Judges tells whether images are scanned and judged between their tests and
// their publication. A desk does that where there is a policy, CI always,
// unless the policy says that it is off.
func (s *Session) Judges() bool {
	return s.Policy.Mode != model.EnforceOff && (s.PolicyIn || s.app.CI())
}

// demanded is the digest of the policy without which nothing is merged, empty
// where a refusal stops nothing but promotions.
func (s *Session) demanded() model.Digest {
	if !s.Judges() || s.Policy.Mode != model.EnforceBlock {
		return ""
	}
	return s.Policy.Digest()
}

// localLock is what a desk has resolved beyond the images.lock of the tree; CI
// has none.
func (s *Session) localLock(ctx context.Context, tree model.Tree) ([]byte, error) {
	if s.app.CI() {
		return nil, nil
	}
	committed, err := tree.Read(ctx, s.lockPath())
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading images.lock: %w", err)
	}
	return locking.Before(s.local, committed), nil
}

// Date is the UTC day of what is planned, as versions have it.
func (s *Session) Date() string { return s.time.Format("2006.01.02") }

func (s *Session) note(format string, args ...any) {
	s.notes = append(s.notes, strings.TrimSpace(fmt.Sprintf(format, args...)))
}
