package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/account"
	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/simulate"
	"github.com/rootfsgen/rootfsgen/runtime/earlier"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// stepSummary is the variable by which GitHub names the file whose Markdown it
// shows beside a step.
const stepSummary = "GITHUB_STEP_SUMMARY"

// summing is the flags of ci summary.
type summing struct {
	file, out, comment, times string
}

func ciSummaryCommand(a *app.App) *cobra.Command {
	var o summing
	cmd := &cobra.Command{
		Use: "summary", Short: "Show people what a plan does, why, and what it is expected to take",
		Long: `Show people what a plan does, why, and what it is expected to take.

The summary is Markdown: a table of what happens to which image and why, the
waves, and machine time and cost. These are read from the receipts that the
registry has of each target's newest published version, and from price and boot
of the machine classes; what was never measured is said to be not known, and a
registry that does not answer is no failure.

It goes to where GITHUB_STEP_SUMMARY says and to the file of --out; where there
is neither, to standard output. In a job the plan is also shown in the log, on
GitHub with a notice at each file and line that is a reason. --comment writes the shorter
form that "rootfsrun ci comment" puts under a request; --times writes what was
measured, for "rootfsgen simulate --times".`,
		Example: `  rootfsrun ci summary --plan plan.json
  rootfsrun ci summary --plan plan.json --out summary.md --comment comment.md`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd.Context(), a) },
	}
	f := cmd.Flags()
	f.StringVar(&o.file, "plan", "", "the plan, as \"rootfsgen plan --format json\" wrote it")
	f.StringVar(&o.out, "out", "", "`file` to write the summary to")
	f.StringVar(&o.comment, "comment", "", "`file` to write the shorter form to")
	f.StringVar(&o.times, "times", "", "`file` to write the measured times to, as JSON")
	_ = cmd.MarkFlagRequired("plan") // the flag is there
	return cmd
}

func (o *summing) run(ctx context.Context, a *app.App) (err error) {
	p, err := readPlan(a, o.file)
	if err != nil {
		return err
	}
	s, err := planning.Load(ctx, a, planning.Options{State: planning.StateOff})
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	times := o.measured(ctx, a, p)
	bill := account.Of(p, s.Now.Fleet.Settings.Runners, times)
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "bill": bill, "times": simulate.TimesOf(times)})
	}
	if err := o.log(ctx, a, s, p); err != nil {
		return err
	}
	err = o.show(a, page(p, &bill, planning.SummaryBytes))
	if o.comment != "" {
		err = errors.Join(err, writeReport(o.comment, []byte(page(p, &bill, planning.CommentBytes))))
	}
	if o.times != "" {
		b, failed := simulate.TimesOf(times).Encode()
		err = errors.Join(err, failed, writeReport(o.times, b))
	}
	return err
}

// measured asks the registry; nobody's build fails because it does not answer
// this question.
func (o *summing) measured(ctx context.Context, a *app.App, p *model.Plan) earlier.Times {
	if earlier.Home(p) == "" || p.Registry != "known" {
		return nil
	}
	client := registry.New(registry.Options{Bootstrap: p.Bootstrap, Scope: p.Scope, Attempts: 2})
	times, err := earlier.Measured(ctx, client, p)
	if err != nil {
		a.Log.Warn("times of earlier runs are not known: " + err.Error())
	}
	return times
}

// billPart of a page is for the bill, in percent.
const billPart = 20

// page is the plan and its bill, in at most size bytes.
func page(p *model.Plan, bill *account.Bill, size int) string {
	b := bill.Markdown(size / 100 * billPart)
	return planning.Markdown(p, size-len(b)) + b
}

// log shows the plan in the log of a job.
func (o *summing) log(ctx context.Context, a *app.App, s *planning.Session, p *model.Plan) error {
	job := forge.OriginOf(a.Env)
	if job.Forge == "" {
		return nil
	}
	return s.WriteWith(ctx, a.Out, p, job.Forge, false, false)
}

// show writes Markdown to where people see it.
func (o *summing) show(a *app.App, text string) error {
	file := a.Env(stepSummary)
	if o.out == "" && file == "" {
		_, err := fmt.Fprint(a.Out, text)
		return err
	}
	if o.out != "" {
		if err := writeReport(o.out, []byte(text)); err != nil {
			return err
		}
	}
	if file == "" {
		return nil
	}
	return appendReport(file, text)
}

// appendReport adds to a file that other steps write to, too.
func appendReport(file, text string) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o644)
	if err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	_, err = f.WriteString(text)
	if err = errors.Join(err, f.Close()); err != nil {
		return fmt.Errorf("writing the summary: %w", err)
	}
	return nil
}

// writeReport writes a file for people, and the folder that it lies in.
func writeReport(file string, text []byte) error {
	err := os.MkdirAll(filepath.Dir(file), 0o755)
	if err == nil {
		err = os.WriteFile(file, text, 0o644)
	}
	if err != nil {
		return fmt.Errorf("writing a report: %w", err)
	}
	return nil
}
