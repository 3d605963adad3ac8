package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// defaultGrace is how long what nobody reaches stays all the same: longer than
// any pipeline runs that may still want it.
const defaultGrace = 7 * 24 * time.Hour

// collection is the flags of gc.
type collection struct {
	scope    string
	snapshot string
	store    string
	registry string
	more     []string
	grace    time.Duration
	history  int
	remove   bool
}

func gcCommand(a *app.App) *cobra.Command {
	var o collection
	cmd := &cobra.Command{
		Use: "gc", Short: "Find what no channel and no plan reaches in the registry, and delete it with --delete",
		Long: `Find what no channel and no plan reaches in the registry, and delete it with
--delete. Without that flag nothing is changed.

Everything stays that any kept version of manifest.json and manifest.testing.json
names, what the fleet of this commit is built as, what those were built on, and
all that is said about them: receipts, lists of packages, findings, verdicts,
signatures. So does what is younger than --grace, what does not tell its age,
tags that are not rootfsgen's with what they stand for, and every repository in
which something is not understood.

With --snapshot what a request published is deleted, whatever its age: that is
for when the request closes. With it goes what merge queues and trains tried
more than seven days ago, as nothing closes for those, and nothing else. It
needs the settings and the names of the images; what else is wrong with the
fleet does not matter.

It may run while others push, and be called again after it was interrupted. Only
manifests are deleted: the registry itself frees the space of their layers.`,
		Example: "  rootfsrun gc\n  rootfsrun gc --delete --grace 720h\n  rootfsrun gc --scope prod --json\n  rootfsrun gc --snapshot pr-123 --delete",
		Args:    cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if o.snapshot != "" {
				if err := model.CheckSnapshotID(o.snapshot); err != nil {
					return app.Fail(app.ExitUsage, fmt.Errorf("--snapshot: %w", err))
				}
				if cmd.Flags().Changed("scope") && o.scope != model.ScopePR {
					return app.Fail(app.ExitUsage, fmt.Errorf("--snapshot is of the scope %s, not of %s", model.ScopePR, o.scope))
				}
				o.scope = model.ScopePR
				if !cmd.Flags().Changed("grace") {
					o.grace = 0
				}
			}
			return o.run(cmd.Context(), a)
		},
	}
	f := cmd.Flags()
	f.StringVar(&o.scope, "scope", model.ScopeTesting, "whose repositories are meant: pr, testing or prod")
	f.StringVar(&o.snapshot, "snapshot", "", "delete what this closed request published, for example pr-123, and what merge queues left")
	f.BoolVar(&o.remove, "delete", false, "delete what is found (default: only say what would be deleted)")
	f.DurationVar(&o.grace, "grace", defaultGrace, "keep what is younger than this, and with more than 0 what does not tell its age (default with --snapshot: 0)")
	f.IntVar(&o.history, "history", 0, "let only so many versions of each channel's document count (default: all)")
	f.StringVar(&o.store, "store", "", storeHelp)
	f.StringVar(&o.registry, "registry", "", "address that the repositories lie below (default: the scope's own; on a desk the local registry)")
	f.StringArrayVar(&o.more, "repository", nil, "look into this `repository`, too, below that address: of an image that has left the fleet; may be repeated")
	app.Values(cmd, "scope", model.ScopePR, model.ScopeTesting, model.ScopeProd)
	return cmd
}

func (o *collection) run(ctx context.Context, a *app.App) error {
	if err := o.check(); err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	fleet, plan, err := o.planned(ctx, a)
	if err != nil {
		return err
	}
	prefix, err := o.prefix(ctx, a, fleet.Settings)
	if err != nil || inert(a, prefix) {
		return err
	}
	if prefix == "" {
		return app.Fail(app.ExitUsage, fmt.Errorf("no registry: write registry.%s into rootfsgen.yaml, or name one with --registry", o.scope))
	}
	client := registry.New(registry.Options{Bootstrap: fleet.Settings.Registry.Bootstrap, Scope: o.scope, Log: a.Log})
	s := gc.Step{Registry: client, Storage: gc.Tagged{Registry: client}, Grace: o.grace, Log: a.Log}
	named, err := o.roots(ctx, a, &s, fleet.Settings, plan)
	if err != nil {
		return err
	}
	repos := o.repositories(prefix, fleet, named)
	if host, _, _ := strings.Cut(prefix, "/"); login.IsGoogle(host) {
		google, err := artifactRegistry(a, o.scope)
		if err != nil {
			return err
		}
		defer func() { _ = google.Close() }() // everything was said
		s.Storage = googles{google}
		images, err := google.Images(ctx, prefix)
		if err != nil {
			return err
		}
		repos = append(repos, images...)
	}
	r, err := s.Run(ctx, gc.Request{Repositories: repos, Snapshot: o.snapshot, Queues: o.queues(), Delete: o.remove})
	if r != nil {
		err = errors.Join(err, o.print(a, r))
	}
	return err
}

func (o *collection) check() error {
	if err := model.CheckPrefix(o.registry); o.registry != "" && err != nil {
		return fmt.Errorf("--registry: %w", err)
	}
	if !slices.Contains([]string{model.ScopePR, model.ScopeTesting, model.ScopeProd}, o.scope) {
		return fmt.Errorf("--scope: %q is not one of pr, testing and prod", o.scope)
	}
	for _, r := range o.more {
		if err := model.CheckRepository(r); err != nil {
			return fmt.Errorf("--repository: %w", err)
		}
	}
	if o.grace < 0 || o.history < 0 {
		return errors.New("--grace and --history are not negative")
	}
	return nil
}

// planned is the fleet of this commit, and what it is built as: its keys are
// the same in every scope. A closed request's images are no longer wanted even
// where they are what the fleet has become: no other scope reuses them. What
// closed may have been broken, so of that fleet the names are enough.
func (o *collection) planned(ctx context.Context, a *app.App) (f *model.Fleet, p *model.Plan, err error) {
	if o.snapshot != "" {
		f, _, err = planning.Understand(ctx, a)
		return f, &model.Plan{}, err
	}
	s, err := planning.Load(ctx, a, planning.Options{Scope: model.ScopeTesting, State: planning.StateOff})
	if err != nil {
		return nil, nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	p, err = s.Plan(ctx)
	return s.Now.Fleet, p, err
}

// queues is how old what a merge queue or a train tried must be to go: there
// is no flag for it where a request has closed, whose own images go at once.
func (o *collection) queues() time.Duration {
	if o.snapshot != "" {
		return defaultGrace
	}
	return o.grace
}

// prefix is the address of the scope; on a desk that of the local registry,
// where one runs.
func (o *collection) prefix(ctx context.Context, a *app.App, set model.Settings) (string, error) {
	if o.registry != "" {
		return o.registry, nil
	}
	if !a.CI() {
		cache, err := a.Cache()
		if err != nil {
			return "", err
		}
		state, _, err := services.Status(ctx, cache, serviceOptions(a, cache))
		if err != nil {
			return "", err
		}
		if state.Registry != "" {
			return state.Registry + "/" + o.scope, nil
		}
	}
	return set.Registry.Prefix(o.scope), nil
}

// roots makes the step ask the channels each time that it asks what counts, and
// returns the repositories that they name. No channel names what requests
// publish; that the same bytes are in testing, too, is no reason to keep them.
func (o *collection) roots(ctx context.Context, a *app.App, s *gc.Step, set model.Settings, p *model.Plan) ([]string, error) {
	if o.scope == model.ScopePR {
		s.Roots = func(context.Context) (r gc.Roots, _ error) {
			r.Planned(p)
			return r, nil
		}
		return nil, nil
	}
	store, err := openStore(a, o.store, set, o.scope)
	if err != nil {
		return nil, err
	}
	_, named, err := gc.Published(ctx, store, o.history)
	if err != nil {
		return nil, err
	}
	s.Roots = func(ctx context.Context) (gc.Roots, error) {
		digests, _, err := gc.Published(ctx, store, o.history)
		r := gc.Roots{Digests: digests}
		r.Planned(p)
		return r, err
	}
	return named, nil
}

func (o *collection) repositories(prefix string, f *model.Fleet, named []string) []string {
	all := append(slices.Clone(named), o.more...)
	for n := range f.Images {
		all = append(all, f.Images[n].ImageName)
	}
	repos := make([]string, 0, len(all))
	for _, r := range all {
		if model.CheckRepository(r) == nil { // a channel's document may say anything
			repos = append(repos, prefix+"/"+r)
		}
	}
	return repos
}

// googles is the storage of Artifact Registry: it lists what has no tag, and
// says since when it is there.
type googles struct{ client *artifactregistry.Client }

// List implements gc.Storage.
func (g googles) List(ctx context.Context, repo string) ([]gc.Stored, error) {
	all, err := g.client.Versions(ctx, repo)
	out := make([]gc.Stored, len(all))
	for n, v := range all {
		out[n] = gc.Stored{Digest: v.Digest, Tags: v.Tags, Uploaded: v.Uploaded}
	}
	return out, err
}

// Delete implements gc.Storage.
func (g googles) Delete(ctx context.Context, repo string, digest model.Digest) error {
	return g.client.Delete(ctx, repo, digest)
}

func (o *collection) print(a *app.App, r *gc.Report) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	for _, repo := range r.Repositories {
		if err := printCollected(a.Out, repo, r.Deleted); err != nil {
			return err
		}
	}
	items, deleted := r.Count()
	text := fmt.Sprintf("%d manifests do not count; nothing was deleted, --delete does it\n", items)
	switch {
	case items == 0:
		text = "everything counts\n"
	case r.Deleted:
		text = fmt.Sprintf("%d of %d manifests were deleted\n", deleted, items)
	}
	_, err := io.WriteString(a.Out, text)
	return err
}

// printCollected writes what was found in one repository.
func printCollected(w io.Writer, r gc.Repository, done bool) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s: %d kept, %d not\n", r.Repository, r.Kept, len(r.Items))
	if r.Untouched != "" {
		fmt.Fprintf(&b, "  left alone: %s\n", r.Untouched)
	}
	if len(r.Foreign) > 0 {
		fmt.Fprintf(&b, "  tags of somebody else's: %s\n", strings.Join(r.Foreign, " "))
	}
	for _, i := range r.Items {
		state := ""
		if done && !i.Deleted {
			state = "  not deleted: " + i.Note
		}
		fmt.Fprintf(&b, "  %-8s %s  %s%s\n", i.Kind, i.Digest, shownTag(i.Tags), state)
	}
	_, err := io.WriteString(w, b.String())
	return err
}

// shownTag is the tag that people would know a manifest by.
func shownTag(tags []string) string {
	if len(tags) == 0 {
		return "(no tag)"
	}
	for _, t := range tags {
		_, _, content := model.ParseContentTag(t)
		_, state := model.ParseStateTag(t)
		if !content && !state && !strings.HasPrefix(t, "i-") {
			return t
		}
	}
	return tags[0]
}
