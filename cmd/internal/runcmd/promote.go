package runcmd

import (
	"context"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// promotion is the flags of promote.
type promotion struct {
	channels
	scanning scanning
	plan     string
	images   []string
	replace  bool
	reason   string
	request  bool
	merged   bool
}

func promoteCommand(a *app.App) *cobra.Command {
	var o promotion
	cmd := &cobra.Command{
		Use: "promote [IMAGE...]", Short: "Write manifest.json: what prod holds, out of what testing holds",
		Long: `Write manifest.json: what prod holds, out of what testing holds.

Every digest is read from the registry again, with the receipts of its builds,
its tests and its merge, the list of its packages and, where the settings say
who signs, its signatures and attestations. Each platform is scanned now, and
judged by scan-policy.yaml as it is now; in a job by that of the default branch,
too, which must trust the same. Unless trust.builders says who signs
receipts, lists and scans are made anew, for which syft is needed. If anything
is missing nothing is promoted, and everything that is missing is named. A policy
whose mode is off asks for nothing, which is said.

The images are copied, by digest and with what speaks for them, to the
registry of the prod scope where there is one; then the document is replaced in
one step; then the floating tags move ("3", "3.13", "latest", never to a
back-port), and a record of the promotion is attached to each image.

With --plan what is promoted is what that plan's commit made, even when the
testing channel has moved on since. With images, the others stay as they are.
What prod has of a newer commit is not replaced, unless --replace says so.

With --request nothing is replaced: a pull or merge request is opened, or
brought up to date, that edits manifest.json on the branch of the channels.
Merging it is the promotion; "promote --merged" then moves the floating tags and
writes the records. The merged document is not believed: whatever has no record
since it came there is verified and judged as above, and where anything is
missing no tag moves, with the same exit codes.

Exit codes:
  0   promoted, or nothing was new
  1   what prod has is newer, or the registry, the store or the forge refuses
  3   the settings or a policy are not valid, or the default branch trusts others
  5   refused: something is missing, blocks or was withdrawn
  6   incomplete: nothing is missing but finished scans, lists of packages that
      could not be made, or what the default branch asks
  75  the registry, the store or the forge does not answer: try again`,
		Example: `  rootfsrun promote
  rootfsrun promote python --store file:channels
  rootfsrun promote --plan plan.json
  rootfsrun promote --request`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.images = append(o.images, args...)
			return o.run(cmd.Context(), a)
		},
	}
	o.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.plan, "plan", "", "promote what this plan.json made (default: what the testing channel holds)")
	f.StringArrayVar(&o.images, "image", nil, "promote only this `image`; may be repeated")
	f.BoolVar(&o.replace, "replace", false, "replace the document whatever its commit is, after a rewritten history")
	f.StringVar(&o.reason, "reason", "", "why, for the record")
	f.BoolVar(&o.request, "request", false, "open a request that edits manifest.json instead (default: what the settings say under channels.promotion)")
	f.BoolVar(&o.merged, "merged", false, "finish what a merged request promoted: floating tags and records")
	f.StringVar(&o.scanning.db, "db", "", "`folder` of the local scanner's database, used as it is (default: $"+scanDBVariable+", or .cache/scandb, kept up to date)")
	app.Complete(cmd, "image", planning.CompleteImages(a))
	return cmd
}

func (o *promotion) run(ctx context.Context, a *app.App) error {
	if o.merged && (o.request || o.plan != "" || len(o.images) > 0) {
		return app.Fail(app.ExitUsage, errors.New("--merged finishes what is in manifest.json: it takes no images, no --plan and no --request"))
	}
	if err := o.open(ctx, a); err != nil || inert(a, o.registry) {
		return err
	}
	root, err := a.Root()
	if err != nil {
		return err
	}
	s := o.step(a)
	s.Reason = o.reason
	if !o.replace {
		s.Order = manifest.GitOrder(root)
	}
	if err := o.witnesses(ctx, a, &s); err != nil {
		return err
	}
	if o.merged {
		return o.finish(ctx, a, s)
	}
	if o.request || o.set.Channels.ByRequest() {
		if s.Propose, err = o.proposal(a); err != nil {
			return err
		}
	}
	source, err := o.source(ctx, a, s)
	if err != nil {
		return err
	}
	r, err := s.Run(ctx, source, o.images)
	if errors.Is(err, channel.ErrConflict) {
		err = fmt.Errorf("%w: promote again", err)
	}
	if err != nil {
		return err
	}
	warn(a, r.Notes)
	state := "nothing new"
	switch {
	case r.Written && s.Propose != nil:
		state = "offered"
	case r.Written:
		state = "written"
	}
	a.Log.Info(fmt.Sprintf("%s: %s, in %s", channel.Prod, state, o.opened))
	return printDocument(a, r.Document)
}

// finish ends what a merged request promoted.
func (o *promotion) finish(ctx context.Context, a *app.App, s promote.Step) error {
	r, err := s.Finish(ctx)
	if err != nil {
		return err
	}
	warn(a, r.Notes)
	a.Log.Info(fmt.Sprintf("%s: finished, %d new, in %s", channel.Prod, len(r.Promoted), o.opened))
	return printDocument(a, r.Document)
}

func warn(a *app.App, notes []string) {
	for _, note := range notes {
		a.Log.Warn(note)
	}
}

// source is what a plan made, nil for what the testing channel holds. While
// the channel still holds what the plan made, it is the better source: an image
// that failed is there with its last good state.
func (o *promotion) source(ctx context.Context, a *app.App, s promote.Step) (*manifest.Document, error) {
	if o.plan == "" {
		return nil, nil
	}
	p, err := readPlan(a, o.plan)
	if err != nil {
		return nil, err
	}
	b, _, err := s.Store.Read(ctx, channel.Testing)
	if err != nil {
		return nil, err
	}
	if b != nil {
		d, err := manifest.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", channel.Testing, err)
		}
		if d.Commit == p.To.Commit {
			return d, nil
		}
	}
	d, missing, err := manifest.Step{Registry: s.Registry}.View(ctx, p)
	if err != nil {
		return nil, err
	}
	if len(missing) > 0 && len(o.images) == 0 {
		r := &promote.Refused{}
		for _, id := range missing {
			r.Missing = append(r.Missing, id+": not every step has passed at commit "+p.To.Commit[:min(12, len(p.To.Commit))])
		}
		return nil, r
	}
	return d, nil
}
