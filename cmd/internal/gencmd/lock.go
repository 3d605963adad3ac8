package gencmd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// lockRounds bounds how often locking a base may show further bases: those
// that the first one's ONBUILD instructions name.
const lockRounds = 5

// lockOptions are the flags of lock.
type lockOptions struct {
	update, check bool
	programs      bool                         // lock the programs' release instead
	url           string                       // with programs: address of its files
	offered       string                       // with update: the lock that was offered last
	failed        string                       // with offered: file of what failed with it, a word for each image
	noted         *map[string]model.FailedBase // after the first round: what the lock notes of updates that failed
	attempts      int                          // how often a registry is asked; 0 is as often as always
	names         []string                     // with update: images, or outside references; with programs: the version
}

// lockCommand writes down what the world outside looks like.
func lockCommand(a *app.App) *cobra.Command {
	var o lockOptions
	cmd := &cobra.Command{
		Use: "lock [IMAGE|REF...]", Short: "Write images.lock: outside images and Debian packages, as they are now",
		Long: `Write images.lock for the work tree: the digest and configuration of each image
that is built from but is not of this fleet, and the Debian packages of each
image that is made from them.

What is written down stays as it is; only what is missing is looked up, and what
nothing needs any more goes. With --update everything is looked up anew, or only
what the named images are built from, or the named outside images. An image that
its registry has only in part, without a platform that is needed, is not taken:
what is locked stays, and the rest is written.

With --offered and --failed, the file that was offered last and the images that
failed with it, updates of what these images are built from wait, or go into
quarantine (updates in rootfsgen.yaml), and the others go on.

With --check nothing is written, and the exit code is 4 where the file would
change. --check alone asks nobody: it works offline, and tells whether the file
has everything that the fleet needs and nothing else. --check --update asks the
registries and the archive, and tells whether anything outside has moved.

With --programs the release of rootfsgen that jobs run is written into
rootfsgen.yaml, by version and SHA-256, instead: the version that is named, else
this program's own, else the one that is there. Each of its files is fetched,
and must be what the release's SHA256SUMS says.`,
		Example: "  rootfsgen lock\n  rootfsgen lock --update\n  rootfsgen lock --update python docker.io/library/debian:13\n  rootfsgen lock --check\n  rootfsgen lock --programs v1.2.3",
		RunE: func(cmd *cobra.Command, args []string) error {
			o.names = args
			switch {
			case o.programs && o.update:
				return app.Fail(app.ExitUsage, errors.New("--programs and --update do not go together"))
			case o.programs:
				return runLockPrograms(cmd.Context(), a, o)
			case o.url != "":
				return app.Fail(app.ExitUsage, errors.New("--url needs --programs"))
			case o.offered != "" && !o.update, (o.offered == "") != (o.failed == ""):
				return app.Fail(app.ExitUsage, errors.New("--offered and --failed go together, and with --update"))
			case len(args) > 0 && !o.update:
				return app.Fail(app.ExitUsage, errors.New("only --update and --programs take names"))
			}
			return runLock(cmd.Context(), a, o)
		},
	}
	cmd.Flags().BoolVar(&o.update, "update", false, "look up anew what is written down already")
	cmd.Flags().BoolVar(&o.programs, "programs", false, "pin a release of rootfsgen in rootfsgen.yaml")
	cmd.Flags().StringVar(&o.offered, "offered", "", "with --update, the `file` that was offered last, whose updates may have failed")
	cmd.Flags().StringVar(&o.failed, "failed", "", "with --offered, a `file` of the images that failed with it, separated by blanks")
	cmd.Flags().StringVar(&o.url, "url", "", "with --programs, where the release's files lie, with {version}, {program}, {os} and {arch}")
	cmd.Flags().BoolVar(&o.check, "check", false, "write nothing; exit code 4 when the file would change")
	return cmd
}

// locked is what lock --json prints.
type locked struct {
	File    string           `json:"file"` // from the root of the repository
	Changed bool             `json:"changed"`
	Changes []locking.Change `json:"changes"`
	Missing []locking.Change `json:"missing"` // with check: what is needed and not locked
	Held    []string         `json:"held"`    // what moved too lately, or failed, and is not taken, a sentence each
	Bases   []string         `json:"bases"`   // whose entry is new, another, or gone
	Targets []string         `json:"targets"` // whose packages are
	Suites  []string         `json:"suites"`  // whose state is
}

func runLock(ctx context.Context, a *app.App, o lockOptions) error {
	result, trouble := lockAll(ctx, a, o)
	if result.File == "" || trouble != nil && !result.Changed && !a.JSON {
		return trouble // "nothing to change" would be a guess
	}
	if err := errors.Join(trouble, printLocked(a, result, o)); err != nil {
		return err
	}
	if result.Changed && o.check {
		return app.Fail(app.ExitDrift, nil)
	}
	return nil
}

// lockAll locks what the fleet needs, and what locking that has shown. Where
// the result names a file, the rest of it holds, too, whatever the error.
func lockAll(ctx context.Context, a *app.App, o lockOptions) (result locked, trouble error) {
	var first model.Lock
	for round := range lockRounds {
		r, l, err := lockOnce(ctx, a, o)
		if r.File == "" { // it was not even loaded
			return r, err
		}
		if round == 0 {
			result, first = r, l.lock
			result.Held = append([]string{}, r.Held...)
		}
		result.Changes = locking.Changes(first, l.now)
		result.Changed = result.Changed || r.Changed
		if trouble = err; err != nil || !r.Changed || o.check {
			break
		}
		// What has just been looked up is not looked up again, and what failed
		// is noted: an update that this lock takes is not merged yet.
		o.update, o.offered, o.noted = false, "", &l.now.Failed
	}
	result.summarize()
	return result, trouble
}

// locks are images.lock as it was and as it is to be.
type locks struct{ lock, now model.Lock }

// lockOnce loads the fleet and locks what it shows. Where the result names a
// file, the rest of it holds, too, whatever the error.
func lockOnce(ctx context.Context, a *app.App, o lockOptions) (result locked, l locks, err error) {
	s, err := loadToLock(ctx, a)
	if err != nil {
		return result, l, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	file := source.LockPath(s.Now.Fleet.Settings.Dir)
	content, err := s.Tree.Read(ctx, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return result, l, err
	}
	lock, list := source.ParseLock(content, file)
	if err := list.Err(); err != nil {
		return result, l, err
	}
	l.lock = lock
	var trouble error
	if o.check && !o.update {
		l.now, result.Missing = locking.Missing(s.Now.Fleet, s.Now.Graph, lock)
	} else {
		var mistakes diag.List
		if l.now, mistakes, trouble, err = ask(ctx, a, s, o, lock); err != nil {
			return result, l, err
		}
		if o.noted != nil {
			l.now.Failed = *o.noted
		}
		a.PrintDiagnostics(mistakes)
		for _, m := range mistakes {
			if slices.Contains([]string{locking.RuleBaseFresh, locking.RuleBaseWaits, locking.RuleBaseQuarantine}, m.Rule) {
				result.Held = append(result.Held, m.Message)
			}
		}
		if trouble == nil && mistakes.HasErrors() {
			trouble = app.Fail(app.ExitInvalid, nil)
		}
	}
	result.File = file
	result.Changed = len(result.Missing) > 0 ||
		!bytes.Equal(content, source.FormatLock(l.now)) && (content != nil || len(l.now.Bases)+len(l.now.Debian) > 0)
	if result.Changed && !o.check {
		trouble = errors.Join(trouble, locking.Write(filepath.Join(s.Repo.Root(), filepath.FromSlash(file)), l.now))
	}
	return result, l, trouble
}

// loadToLock loads the work tree. What is not locked is what this command is
// there for: no error, in CI neither.
func loadToLock(ctx context.Context, a *app.App) (*planning.Session, error) {
	desk := *a
	desk.Quiet = true
	desk.Env = func(name string) string {
		if name == "CI" {
			return ""
		}
		return a.Env(name)
	}
	return planning.Load(ctx, &desk, planning.Options{To: history.WorktreeRef})
}

// ask asks the registries and the archive. mistakes are of the fleet, or of an
// outside image; trouble is what could not be asked.
func ask(ctx context.Context, a *app.App, s *planning.Session, o lockOptions, old model.Lock) (now model.Lock, mistakes diag.List, trouble, err error) {
	mirrors, err := locking.ReadMirrors(locking.DaemonFiles(a.Env("HOME"))...)
	if err != nil {
		return now, nil, nil, err
	}
	for host, mirror := range s.Now.Fleet.Settings.Network.Mirrors {
		mirrors[host] = append([]string{mirror}, mirrors[host]...)
	}
	l := locking.Locker{
		Registry: registry.New(registry.Options{Log: a.Log, Attempts: o.attempts}),
		Cache:    filepath.Join(s.Repo.Root(), ".cache", "debian"), Mirrors: mirrors, Update: o.update,
		Debounce: time.Duration(s.Now.Fleet.Settings.Updates.DebounceSeconds) * time.Second, Now: time.Now(),
		Backoff: time.Duration(s.Now.Fleet.Settings.Updates.BackoffSeconds) * time.Second, Quarantine: s.Now.Fleet.Settings.Updates.Quarantine,
	}
	if l.Failed, err = o.blamed(ctx, s, old, l.Now); err != nil {
		return now, nil, nil, err
	}
	if l.Only, err = only(s, o.names); err != nil {
		return now, nil, nil, err
	}
	now, mistakes, trouble = l.Lock(ctx, s.Now.Fleet, s.Now.Graph, old)
	if ctx.Err() != nil {
		return now, nil, nil, trouble
	}
	return now, mistakes.WithLines(func(file string) []byte {
		b, _ := s.Tree.Read(ctx, file) // a line that cannot be shown is left out
		return b
	}), trouble, nil
}

// only is what the names mean: images of the fleet with all that they are
// built from directly, and outside references, as they stand in a Dockerfile
// or in images.lock. It is nil where nothing is named.
func only(s *planning.Session, names []string) (func(string, model.TargetID) bool, error) {
	if len(names) == 0 {
		return nil, nil
	}
	refs, targets, known := map[string]bool{}, map[model.TargetID]bool{}, map[string]bool{}
	for _, name := range names {
		hit := false
		for _, id := range s.Now.Graph.Targets() {
			known[id.Image] = true
			if plan.Means(name, id) {
				targets[id], hit = true, true
			}
			n, _ := s.Now.Graph.Node(id)
			bases := n.Bases
			if n.Syntax != nil {
				bases = append(slices.Clone(bases), *n.Syntax)
			}
			for _, b := range bases {
				known[b.Normalized] = true
				if name == b.Normalized || name == b.Ref {
					refs[b.Normalized], hit = true, true
				}
			}
		}
		if !hit {
			all := make([]string, 0, len(known))
			for k := range known {
				all = append(all, k)
			}
			slices.Sort(all)
			return nil, &plan.UnknownImageError{Name: name, Known: all}
		}
	}
	return func(ref string, t model.TargetID) bool { return refs[ref] || targets[t] }, nil
}

// summarize names what the changes are of.
func (l *locked) summarize() {
	l.Bases, l.Targets, l.Suites = []string{}, []string{}, []string{}
	for _, c := range append(slices.Clone(l.Changes), l.Missing...) {
		switch c.Kind {
		case locking.KindBase, locking.KindPlatform:
			l.Bases = append(l.Bases, c.Name)
		case locking.KindConfig:
			ref, _, _ := strings.Cut(c.Name, " ")
			l.Bases = append(l.Bases, ref)
		case locking.KindPackage:
			l.Targets = append(l.Targets, c.Of)
		case locking.KindSuite:
			l.Suites = append(l.Suites, c.Name)
		}
	}
	for _, list := range []*[]string{&l.Bases, &l.Targets, &l.Suites} {
		slices.Sort(*list)
		*list = slices.Compact(*list)
	}
	if l.Missing == nil {
		l.Missing = []locking.Change{}
	}
}

func printLocked(a *app.App, l locked, o lockOptions) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(l)
	}
	var b strings.Builder
	switch {
	case !l.Changed:
		fmt.Fprintf(&b, "%s: nothing to change\n", l.File)
	case o.check:
		fmt.Fprintf(&b, "%s: would change:\n", l.File)
	default:
		fmt.Fprintf(&b, "%s: wrote\n", l.File)
	}
	for _, c := range l.Missing {
		at := ""
		if c.Pos.File != "" {
			at = "  (" + c.Pos.String() + ")"
		}
		fmt.Fprintf(&b, "  not locked  %s%s\n", describe(c), at)
	}
	for _, c := range l.Changes {
		switch {
		case c.Old == "":
			fmt.Fprintf(&b, "  new         %s  %s\n", describe(c), short(c.New))
		case c.New == "":
			fmt.Fprintf(&b, "  gone        %s  %s\n", describe(c), short(c.Old))
		default:
			fmt.Fprintf(&b, "  moved       %s  %s -> %s\n", describe(c), short(c.Old), short(c.New))
		}
	}
	for _, h := range l.Held {
		fmt.Fprintf(&b, "  held back   %s\n", h)
	}
	if l.Changed && len(l.Changes)+len(l.Missing) == 0 {
		b.WriteString("  only how it is written\n")
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}

// describe names what changed, for people.
func describe(c locking.Change) string {
	switch c.Kind {
	case locking.KindSuite:
		return "Debian " + c.Name
	case locking.KindPackage:
		return "package " + c.Name + " of " + c.Of
	case locking.KindPlatform, locking.KindConfig:
		return "image " + c.Name + " for " + c.Of
	}
	return "image " + c.Name
}

// short is a digest, or a value, as it fits on a line.
func short(s string) string {
	if d := model.Digest(s); d.Valid() {
		return d.Short()
	}
	const longest = 60
	if r := []rune(s); len(r) > longest {
		s = string(r[:longest]) + "..."
	}
	return fmt.Sprintf("%q", s)
}
