package runcmd

import (
	"context"
	"encoding/json"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/spot"
)

// losing is the flags of ci lost.
type losing struct {
	run      int64
	attempts int
	rerun    bool
}

func ciLostCommand(a *app.App) *cobra.Command {
	var o losing
	cmd := &cobra.Command{
		Use: "lost", Short: "Tell which jobs of a run were lost with their machine, and run them again",
		Long: `Tell which jobs of a run were lost with their machine, and run them again.

A Spot machine that is taken away ends its job as if it had failed, or as if
somebody had cancelled it. This command reads what the forge says of a run that
has ended and gives each job a verdict: passed, lost, failed, cancelled, blocked
(it waits for another job, or sums the others up) or open. Nothing is changed
unless --rerun is given. Then the lost jobs run again, and what depends on them:
jobs that failed by their own fault do not, nor does anything of a run that a
person cancelled, whose branch has moved on, or that a fork's request started.
No job runs more than --attempts times for having been lost.

The run is one of GitHub's workflow runs or one of GitLab's pipelines. The
variable ROOTFSGEN_FORGE_TOKEN holds a token, else the job's own is taken. On
GitHub it needs actions: write, checks: read and contents: read.`,
		Example: "  rootfsrun ci lost --run 1234567\n  rootfsrun ci lost --run 1234567 --rerun --json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return o.act(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.Int64Var(&o.run, "run", 0, "number of the run; must be given")
	f.IntVar(&o.attempts, "attempts", model.DefaultSpotAttempts, "how often a lost job runs in all")
	f.BoolVar(&o.rerun, "rerun", false, "run the lost jobs again")
	return cmd
}

func (o *losing) act(ctx context.Context, a *app.App) error {
	switch {
	case o.run <= 0:
		return app.Fail(app.ExitUsage, fmt.Errorf("--run: %d is no number of a run", o.run))
	case o.attempts < 1 || o.attempts > model.MaxSpotAttempts:
		return app.Fail(app.ExitUsage, fmt.Errorf("--attempts: %d is not between 1 and %d", o.attempts, model.MaxSpotAttempts))
	}
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob {
		return notInJob()
	}
	at.Log = a.Log
	client, err := forge.New(at)
	if err != nil {
		return err
	}
	r, err := spot.Examine(ctx, client, o.run, o.attempts)
	if err != nil {
		return err
	}
	if o.rerun {
		if err := r.Rerun(ctx, client); err != nil {
			return err
		}
	}
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	return printLost(a, r)
}

func printLost(a *app.App, r *spot.Report) error {
	table := term.NewTable("JOB", "VERDICT", "WHY")
	for _, j := range r.Jobs {
		table.Row(j.Name, string(j.Verdict), j.Why)
	}
	if err := table.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	said := "nothing runs again: " + r.Why
	switch {
	case r.Done:
		said = fmt.Sprintf("run again: %d of %d lost jobs: %s", len(r.Again), r.Lost, r.Why)
	case len(r.Again) > 0:
		said = fmt.Sprintf("to run again with --rerun: %d of %d lost jobs: %s", len(r.Again), r.Lost, r.Why)
	}
	_, err := fmt.Fprintln(a.Err, said)
	return err
}
