package runcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/offer"
)

// trying is the flags of ci tried.
type trying struct{ branch, out string }

// The files that ci tried writes.
const (
	triedFile   = "offered"
	triedFailed = "failed.txt"
)

func ciTriedCommand(a *app.App) *cobra.Command {
	var o trying
	cmd := &cobra.Command{
		Use: "tried FILE", Short: "Tell what came of the request that was offered last",
		Long: `Tell what came of the request that "rootfsrun ci request" offered last.

The file as the branch has it becomes "offered" in the folder of --out, and the
images whose jobs failed in the request's pipelines become "failed.txt". What was
lost with its machine has not failed. "rootfsgen lock --update --offered" lets
the updates wait that these images are built from. Where nothing is offered,
nothing failed; that the forge does not tell is a warning, and counts as that.`,
		Example: "  rootfsrun ci tried images.lock --branch rootfsgen/lock --out tried\n  rootfsgen lock --update --offered tried/offered --failed tried/failed.txt",
		Args:    app.ExactlyOne("the file"),
		RunE:    func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args[0]) },
	}
	f := cmd.Flags()
	f.StringVar(&o.branch, "branch", "", "the branch that was offered")
	f.StringVar(&o.out, "out", "", "`folder` to write to")
	for _, name := range []string{"branch", "out"} {
		_ = cmd.MarkFlagRequired(name) // the flags are there
	}
	return cmd
}

func (o *trying) run(ctx context.Context, a *app.App, file string) error {
	if err := model.CheckPath(file); err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	if _, inJob := forge.FromEnvironment(a.Env); !inJob {
		return notInJob()
	}
	t := &offer.Tried{Failed: []string{}}
	remote, client, _, err := forgeOf(a)
	if err == nil {
		var tried *offer.Tried
		if tried, err = offer.Try(ctx, &remote, client, o.branch, file); err == nil {
			t = tried
		}
	}
	if ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if err != nil {
		a.Log.Warn("what came of the last request is not known: " + err.Error())
	}
	if t.File != nil {
		if err := writeReport(filepath.Join(o.out, triedFile), t.File); err != nil {
			return err
		}
	}
	if err := writeReport(filepath.Join(o.out, triedFailed), []byte(strings.Join(append(t.Failed, ""), "\n"))); err != nil {
		return err
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(t)
	}
	said := "nothing failed"
	if len(t.Failed) > 0 {
		said = "failed: " + strings.Join(t.Failed, ", ")
	}
	_, err = fmt.Fprintln(a.Out, said)
	return err
}
