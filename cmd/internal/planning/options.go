// Package planning puts a plan together for a command: it opens the
// repository, loads the fleet of both trees, asks the registry and leaves the
// decision to the generator.
package planning

import (
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Options are the flags of every command that plans.
type Options struct {
	From       string // what to compare with; empty is chosen by what is planned
	To         string // what to plan: a revision or "worktree"; empty is the work tree on a desk, HEAD in CI
	Scope      string
	SnapshotID string
	Registry   string // address of the scope, instead of the one in the settings
	State      string // one of the State constants
	All        bool
	Force      []string
	Bases      bool     // build anew what is built from no other image of the fleet
	Platforms  []string // build these now, the others later; empty is all
	Images     []string
	Except     []string
	Detect     string // which files count, instead of the settings' word; empty is theirs
	Strict     bool   // a Dockerfile that cannot be read is an error on a desk, too
	// CodeQuality is a file for every mistake and warning, as GitLab's code
	// quality report; empty is none.
	CodeQuality string

	brief   bool   // the plan is only to be read by people
	busy    bool   // who do not ask for what nothing happens to
	parts   parts  // what part of the fleet is planned, for tests
	program string // instead of this program's identity, for tests
}

// What --registry-state may be.
const (
	StateAuto = "auto" // ask where it can be asked
	StateOn   = "on"   // ask, and fail where it cannot be asked
	StateOff  = "off"  // git alone
)

var (
	scopes  = []string{model.ScopePR, model.ScopeTesting, model.ScopeProd}
	states  = []string{StateAuto, StateOn, StateOff}
	detects = []string{model.DetectExact, model.DetectFolder}
)

// RevisionFlags adds the flags that say which trees are meant.
func (o *Options) RevisionFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.From, "from", "", "compare with this revision (default: the last release tag; for a request the merge base)")
	f.StringVar(&o.To, "to", "", `plan this revision, or "worktree" (default: the work tree on a desk, HEAD in CI)`)
}

// RegistryFlags adds the flags that say which registry answers.
func (o *Options) RegistryFlags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.Scope, "scope", model.ScopeTesting, "whose repositories are meant: pr, testing or prod")
	f.StringVar(&o.SnapshotID, "snapshot-id", "", "name of a request's images, for example pr-123")
	f.StringVar(&o.Registry, "registry", "", "address that the repositories lie below (default: the scope's own; on a desk the local registry)")
	f.StringVar(&o.State, "registry-state", StateAuto, "ask the registry what it has: auto, on or off")
	app.Values(cmd, "scope", scopes...)
	app.Values(cmd, "registry-state", states...)
}

// DetectFlag adds the flag that says which files count.
func (o *Options) DetectFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.Detect, "detect", "", "which files count: exact, those that an instruction can read, or folder, these and the whole folder less documentation (default: the settings' detect)")
	app.Values(cmd, "detect", detects...)
}

// Flags adds all flags; images tells a shell which there are.
func (o *Options) Flags(cmd *cobra.Command, images cobra.CompletionFunc) {
	o.RevisionFlags(cmd)
	o.RegistryFlags(cmd)
	f := cmd.Flags()
	f.BoolVar(&o.All, "all", false, "build everything anew, whatever the registry has")
	f.StringArrayVar(&o.Force, "force", nil, "build this `image` anew, and what is built from it; may be repeated")
	f.BoolVar(&o.Bases, "rebuild-bases", false, "build anew what is built from no other image of the fleet, and what comes out different on it")
	f.StringArrayVar(&o.Except, "except", nil, "leave out this `image`, and what is built from it; may be repeated")
	app.Complete(cmd, "force", images)
	app.Complete(cmd, "except", images)
}

// CodeQualityFlag adds the flag that keeps what is wrong for GitLab.
func (o *Options) CodeQualityFlag(cmd *cobra.Command) {
	cmd.Flags().StringVar(&o.CodeQuality, "code-quality", "", "write every mistake and warning to this `file`, too, as GitLab's code quality report")
}

// PlatformsFlag adds the flag that leaves some platforms to a later plan.
func (o *Options) PlatformsFlag(cmd *cobra.Command) {
	cmd.Flags().StringArrayVar(&o.Platforms, "platform", nil, "build for this `platform` now, and leave the others to a later plan; may be repeated")
	CompletePlatforms(cmd)
}

// check refuses values that no flag can have.
func (o *Options) check() error {
	if o.Scope == "" {
		o.Scope = model.ScopeTesting
	}
	if o.State == "" {
		o.State = StateAuto
	}
	switch {
	case !slices.Contains(scopes, o.Scope):
		return usage("invalid --scope %q: expected pr, testing or prod", o.Scope)
	case !slices.Contains(states, o.State):
		return usage("invalid --registry-state %q: expected auto, on or off", o.State)
	case o.Detect != "" && !slices.Contains(detects, o.Detect):
		return usage("invalid --detect %q: expected exact or folder", o.Detect)
	}
	if _, err := o.platforms(); err != nil {
		return err
	}
	if o.SnapshotID != "" {
		if err := model.CheckSnapshotID(o.SnapshotID); err != nil {
			return usage("--snapshot-id: %w", err)
		}
	}
	if o.Registry != "" {
		if err := model.CheckPrefix(o.Registry); err != nil {
			return usage("--registry: %w", err)
		}
	}
	return nil
}

// platforms are those that are meant.
func (o *Options) platforms() ([]model.Platform, error) {
	var all []model.Platform
	for _, s := range o.Platforms {
		p, err := model.ParsePlatform(s)
		if err != nil {
			return nil, usage("--platform: %w", err)
		}
		all = append(all, p)
	}
	return all, nil
}

func usage(format string, args ...any) error {
	return app.Fail(app.ExitUsage, fmt.Errorf(format, args...))
}
