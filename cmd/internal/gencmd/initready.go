package gencmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/proposal"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/download"
	"github.com/rootfsgen/rootfsgen/runtime/release"
)

// begun is what init has made of a repository, and what is left to be done
// before its first pipeline is green.
type begun struct {
	*proposal.Proposal
	written  []string // files, by path from the root
	programs string   // version of the release that is pinned; empty for none
	left     []step   // in their order
}

// step is a command that is left to be run.
type step struct {
	Run string `json:"run"`
	Why string `json:"why"`
}

// red is what happens where nothing is pinned.
const red = "without them the first run is red on the forge's own machines"

// pin puts the release that this program is of into the settings that are to
// be written. Without one, or where it is not to be had, a person must.
func (b *begun) pin(ctx context.Context, a *app.App, o initOptions) error {
	if o.release == "" {
		a.Log.Warn(fmt.Sprintf("this program (%s) is no release, so none is pinned: jobs take rootfsgen and rootfsrun from their machine, and the first run is red on the forge's own machines, which have neither", app.Version()))
		b.later("rootfsgen lock --programs VERSION", "pins the programs of a release (with --url ADDRESS one of your own): "+red)
		return nil
	}
	client, err := download.New(download.Options{Log: a.Log})
	if err != nil {
		return err
	}
	a.Log.Info("fetching the programs of release " + o.release + ", to pin them")
	p, err := release.Pin(ctx, client, model.Programs{Version: o.release, URL: cmp.Or(o.url, model.ProgramsURL)})
	if ctx.Err() != nil { // whatever was answered last
		return ctx.Err()
	}
	if err != nil {
		a.Log.Warn(fmt.Sprintf("release %s is not pinned, so that the first run is red on the forge's own machines: %v", o.release, err))
		run := "rootfsgen lock --programs " + o.release
		if o.url != "" {
			run += " --url '" + o.url + "'"
		}
		b.later(run, "pins the programs: "+red)
		return nil
	}
	settings, err := source.WritePrograms(b.Files[source.DefaultConfig], p)
	if err != nil {
		return fmt.Errorf("pinning release %s: %w", o.release, err)
	}
	b.Files[source.DefaultConfig], b.programs = settings, p.Version
	return nil
}

// lock writes down the outside images, if there are any. What cannot be asked
// for is left for later.
func (b *begun) lock(ctx context.Context, a *app.App, o initOptions, repo *history.Repo) error {
	unlocked := slices.ContainsFunc(b.Problems, func(d diag.Diagnostic) bool { return d.Rule == graph.RuleUnlocked })
	if !unlocked {
		return nil
	}
	const run, why = "rootfsgen lock", "writes images.lock: CI refuses outside images that are not in it"
	if o.noLock || b.Problems.HasErrors() {
		b.later(run, why)
		return nil
	}
	a.Log.Info("asking registries for the outside images, to lock them (--no-lock does not)")
	root := *a
	root.Dir = repo.Root()
	result, trouble := lockAll(ctx, &root, lockOptions{attempts: 2}) // a desk without a network is not to wait long
	if ctx.Err() != nil {
		return ctx.Err()
	}
	if result.Changed {
		b.written = append(b.written, result.File)
		if !a.JSON {
			fmt.Fprintln(a.Err, "wrote", result.File)
		}
	}
	if trouble != nil {
		a.Log.Warn(source.LockPath(".") + " does not have every outside image, and CI refuses those" + reason(trouble))
		b.later(run, why)
	}
	_, tree, err := repo.Worktree(ctx)
	if err != nil {
		return err
	}
	b.Problems, err = proposal.Problems(ctx, tree)
	return err
}

// reason is why outside images could not be locked: the first of several.
func reason(trouble error) string {
	if coded, is := errors.AsType[app.Coded](trouble); is && coded.ExitCode() == app.ExitInvalid {
		return ", as is said above"
	}
	first, others, _ := strings.Cut(trouble.Error(), "\n")
	if others != "" {
		first += fmt.Sprintf("; and %d more like it", strings.Count(others, "\n")+1)
	}
	return ": " + first
}

// site asks for the address of a forge of one's own: a host does not say which
// forge it has, and without the line each counts as the public one.
func site(ctx context.Context, a *app.App, root string) {
	origin := gitSays(ctx, root, "remote.origin.url")
	host, _ := splitOrigin(origin)
	if host == "" || strings.HasPrefix(origin, "file:") {
		return
	}
	for _, public := range []string{hostOf(model.DefaultGitHubURL), hostOf(model.DefaultGitLabURL)} {
		if host == public || strings.HasSuffix(host, "."+public) {
			return
		}
	}
	a.Log.Warn(fmt.Sprintf("origin is on %q: write `gitlab: {url: ADDRESS, version: VERSION}` or `github: {url: ADDRESS}` into %s, or it counts as gitlab.com or github.com", host, source.DefaultConfig))
}

// rest adds what is left in any case.
func (b *begun) rest(o initOptions) {
	b.later("rootfsgen generate", "writes the pipelines: commit them with what was written here")
	b.later("rootfsgen doctor", "says what is missing, and what mends it")
	if !o.policy {
		b.later("rootfsgen init --scan-policy", "writes what is asked of findings: pipelines ask it anyway, then a desk does, too")
	}
}

func (b *begun) later(run, why string) { b.left = append(b.left, step{run, why}) }
