package runcmd

import (
	"context"
	"fmt"
	"os"
	"regexp"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// releasing is the flags of ci release.
type releasing struct{ tag, notes, plan string }

func ciReleaseCommand(a *app.App) *cobra.Command {
	var o releasing
	cmd := &cobra.Command{
		Use: "release", Short: "Write the notes of a release on the forge",
		Long: `Write the notes of a release on the forge: the release of a tag is made, or
changed. Empty notes write nothing. On GitHub the job's token needs contents:
write; on GitLab it may without more.`,
		Example: "  rootfsrun diff --notes > notes.md\n  rootfsrun ci release --tag v1.2.0 --notes notes.md",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringVar(&o.tag, "tag", "", "the release's tag")
	f.StringVar(&o.notes, "notes", "", "`file` with the notes, in Markdown")
	f.StringVar(&o.plan, "plan", "", "plan.json of the release: one that publishes nothing has no notes")
	for _, name := range []string{"tag", "notes"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	return cmd
}

// releaseTag is what may be written into an address of a forge.
var releaseTag = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._/+-]{0,199}$`)

func (o *releasing) run(ctx context.Context, a *app.App) error {
	if !releaseTag.MatchString(o.tag) {
		return app.Fail(app.ExitUsage, fmt.Errorf("--tag: %.100q is no tag of a release", o.tag))
	}
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob {
		return notInJob()
	}
	if o.plan != "" {
		p, err := readPlan(a, o.plan)
		if err != nil || inert(a, p.Prefix) {
			return err
		}
	}
	text, err := os.ReadFile(o.notes)
	if err != nil {
		return app.Unread("--notes", err)
	}
	if len(text) == 0 {
		return nil
	}
	at.Log = a.Log
	client, err := forge.New(at)
	if err != nil {
		return err
	}
	address, err := client.UpsertRelease(ctx, o.tag, fitting(string(text)))
	if err == nil {
		a.Log.Info("release: " + address)
	}
	return err
}
