package runcmd

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// The one issue that a repository has of us, and what it is called.
const (
	rescanMarker = "<!-- rootfsgen:rescan -->"
	rescanTitle  = "What prod runs does not pass the scan policy"
	endingTitle  = "Exceptions of the scan policy are about to end"
)

func ciIssueCommand(a *app.App) *cobra.Command {
	var report string
	cmd := &cobra.Command{
		Use: "issue", Short: "Keep an issue about what blocks in what prod runs",
		Long: `Keep an issue about what blocks in what prod runs, and about exceptions that are
about to end.

There is one issue. It is opened when there is something to say, changed when
that is something else, left alone while it is the same, and closed when nothing
blocks any more; a report without any verdict closes nothing. The report is what "rootfsrun gate --json" wrote. The variable
ROOTFSGEN_FORGE_TOKEN holds a token that may write issues; without it the job's
own is taken, which on GitHub needs issues: write, and on GitLab may not.`,
		Example: "  rootfsrun gate --findings findings.json --json > judged.json\n  rootfsrun ci issue --report judged.json",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return keepIssue(cmd.Context(), a, report) },
	}
	cmd.Flags().StringVar(&report, "report", "", "`file` that gate --json wrote")
	_ = cmd.MarkFlagRequired("report") // the flag is there
	return cmd
}

func keepIssue(ctx context.Context, a *app.App, file string) error {
	b, err := readAtMost(file, maxReport)
	if err != nil {
		return app.Unread("--report", err)
	}
	var r gate.Report
	if err := json.Unmarshal(b, &r); err != nil {
		return app.Damaged("--report "+file, err)
	}
	if r.Version != gate.ReportVersion {
		return app.Damaged("--report "+file, fmt.Errorf("it is of version %d, and this program reads version %d", r.Version, gate.ReportVersion))
	}
	title, body := issueOf(&r)
	at, inJob := forge.FromEnvironment(a.Env)
	if !inJob {
		return notInJob()
	}
	if at.Token == "" || at.JobOnly {
		a.Log.Warn("no issue: set the variable " + forge.TokenVariable + " to a token that may write issues")
		return nil
	}
	at.Log = a.Log
	client, err := forge.New(at)
	if err != nil {
		return err
	}
	if body != "" {
		body = fitting(body)
	}
	address, err := client.UpsertIssue(ctx, rescanMarker, title, body)
	if err == nil && address != "" {
		a.Log.Info("issue: " + address)
	}
	return err
}

// issueOf is what there is to say of a report; an empty text for one in which
// something was judged and all of it passes. It
// has no time in it: the same findings are the same text.
func issueOf(r *gate.Report) (title, body string) {
	var b strings.Builder
	title = endingTitle
	for i := range r.Verdicts {
		v := &r.Verdicts[i]
		if v.Outcome == model.VerdictPass {
			continue
		}
		if title != rescanTitle {
			title = rescanTitle
			b.WriteString("By the findings and the policy of today prod runs what would not be promoted:\n")
		}
		fmt.Fprintf(&b, "\n### %s\n\n%s, `%s`\n\n", cell(gate.Label(v)), cell(v.Outcome), v.Digest)
		for _, j := range v.Blocking {
			fmt.Fprintf(&b, "- %s\n", judgedLine(&j))
		}
		for _, u := range v.Unfinished {
			fmt.Fprintf(&b, "- %s\n", cell(u))
		}
	}
	if len(r.Verdicts) == 0 { // that is no news of what was found before
		title = rescanTitle
		b.WriteString("Nothing was judged: the newest report has no verdict. What was said here before may still be so.\n")
	}
	if r.UnusedBlock && len(r.Unused) > 0 {
		title = rescanTitle
		b.WriteString("\n### Exceptions that nothing needs, and that the policy refuses (unused: block)\n\n")
		for _, x := range r.Unused {
			fmt.Fprintf(&b, "- %s in %s, of %s\n", cell(x.ID), cell(x.PURL), cell(x.Owner))
		}
	}
	if len(r.Expiring) > 0 {
		b.WriteString("\n### Exceptions that end soon, or have ended\n\n")
		for _, e := range r.Expiring {
			fmt.Fprintf(&b, "- %s in %s, of %s: until %s\n", cell(e.ID), cell(e.PURL), cell(e.Owner), cell(e.Expires))
		}
	}
	return title, b.String()
}
