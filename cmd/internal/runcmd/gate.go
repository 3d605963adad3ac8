package runcmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"runtime"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// gating is the flags of gate.
type gating struct {
	given
	platform string
	policy   string
	findings string
	at       string
	expiring bool
	format   string
	out      string
}

// gateFormats are the forms in which gate prints what it judged.
var gateFormats = []string{"table", "json", "sarif", "gitlab", "junit"}

func gateCommand(a *app.App) *cobra.Command {
	var o gating
	cmd := &cobra.Command{
		Use: "gate [IMAGE...]", Short: "Judge what scanners found by scan-policy.yaml",
		Long: `Judge what scanners found by scan-policy.yaml.

Each platform's digest has a verdict of its own; an image passes only if all of
them do. A pass needs a finished, fresh scan and nothing in it that blocks:
anything else is refused, or incomplete where nobody can say yet. Without a policy CRITICAL, HIGH and UNKNOWN findings block, and so do those
that are known to be exploited, malicious packages and secrets.

With --findings a file is judged, as "rootfsrun scan --json" writes it, without
a registry. Which other platforms an image has it does not say: such a verdict
is marked as detached, and no merge and no promotion takes it for the gate's.
Otherwise the images of a plan are: by the scans of this job in
build-artifacts/scan, else by the newest ones in the registry. The verdict is
attached to the digest, and one that passes leaves the receipt that a merge asks
for. build-artifacts has the verdicts, too, and reports for the forges.

With --expiring the exceptions are listed that end soon, or have ended.

Exit codes:
  0   pass
  5   refused: something blocks
  6   incomplete: nobody can say
  3   the policy, or the document of findings, is not valid`,
		Example: `  rootfsrun gate --policy scan-policy.yaml --findings findings.json
  rootfsrun gate --findings findings.json --format sarif > gate.sarif
  rootfsrun gate python --plan plan.json
  rootfsrun gate --expiring --json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			return o.run(cmd.Context(), a, args)
		},
	}
	o.flags(a, cmd)
	f := cmd.Flags()
	f.StringVar(&o.platform, "platform", "", "only this platform, linux/amd64 or linux/arm64")
	planning.CompletePlatforms(cmd)
	f.StringVar(&o.policy, "policy", "", "policy to judge by (default: of a plan, scan-policy.yaml beside the settings; of a file, that which holds without one)")
	f.StringVar(&o.findings, "findings", "", "judge what this `file` says, - for standard input")
	f.StringVar(&o.at, "at", "", "with --findings: judge as of this `time`, such as 2026-11-21T09:00:00Z (default: now)")
	f.BoolVar(&o.expiring, "expiring", false, "list the exceptions that end soon, or have ended")
	f.StringVar(&o.format, "format", "", "how it is printed: "+strings.Join(gateFormats, ", ")+" (default: table)")
	f.StringVar(&o.out, "out", "", "write reports for the forges into this `folder` (default: build-artifacts, of a plan)")
	app.Values(cmd, "format", gateFormats...)
	_ = cmd.MarkFlagFilename("findings", "json") // the flags are there
	_ = cmd.MarkFlagFilename("policy", "yaml")
	_ = cmd.MarkFlagDirname("out")
	return cmd
}

func (o *gating) run(ctx context.Context, a *app.App, images []string) error {
	if err := o.check(a, images); err != nil {
		return err
	}
	now := time.Now()
	if o.at != "" {
		var err error
		if now, err = time.Parse(time.RFC3339, o.at); err != nil {
			return app.Fail(app.ExitUsage, fmt.Errorf("invalid --at %q: expected a time such as 2026-11-21T09:00:00Z", o.at))
		}
	}
	p, err := o.readPolicy(a)
	switch {
	case err != nil:
		return err
	case o.expiring:
		return printExpiring(a, gate.Expiring(p, now))
	case o.findings != "":
		return o.judgeFile(a, p, now)
	}
	return o.judgePlan(ctx, a, p, images)
}

func (o *gating) check(a *app.App, images []string) error {
	if o.format == "" {
		o.format = map[bool]string{true: "json", false: "table"}[a.JSON]
	}
	var err error
	switch {
	case !slices.Contains(gateFormats, o.format):
		err = fmt.Errorf("invalid --format %q: expected %s", o.format, strings.Join(gateFormats, ", "))
	case o.expiring && (o.findings != "" || o.file != "" || len(images) > 0):
		err = errors.New("--expiring looks at the policy alone: leave out images, --findings and --plan")
	case o.findings != "" && (o.file != "" || len(images) > 0 || o.platform != ""):
		err = errors.New("--findings judges all that the file has: leave out images, --platform and --plan")
	case o.at != "" && o.findings == "" && !o.expiring:
		err = errors.New("--at is for --findings: what is merged and promoted is judged as of now")
	}
	if err != nil {
		return app.Fail(app.ExitUsage, err)
	}
	return nil
}

// judgeFile judges a document of findings.
func (o *gating) judgeFile(a *app.App, p model.Policy, now time.Time) error {
	content, err := o.readFindings(a)
	if err != nil {
		return app.Unread("--findings", err)
	}
	scans, list := gate.ReadScans(o.findings, content)
	if list.HasErrors() {
		return list
	}
	err = o.finish(a, p, now, gate.JudgeAll(p, now, scans), nil)
	a.Log.Info("a file says nothing of platforms that it does not name: this is no gate of a merge or a promotion")
	return err
}

func (o *gating) readFindings(a *app.App) ([]byte, error) {
	from := a.In
	if o.findings != "-" {
		f, err := os.Open(o.findings)
		if err != nil {
			return nil, err
		}
		defer f.Close()
		from = f
	}
	return io.ReadAll(io.LimitReader(from, gate.MaxFindings+1))
}

// judgePlan judges the images of a plan.
func (o *gating) judgePlan(ctx context.Context, a *app.App, p model.Policy, images []string) (err error) {
	if p.Mode == model.EnforceOff {
		a.Log.Warn("enforcement is off in scan-policy.yaml: nothing was judged")
		return nil
	}
	plan, err := o.load(ctx, a, images)
	if err != nil {
		return err
	}
	if inert(a, plan.Prefix) {
		return nil
	}
	if err := published(plan); err != nil {
		return err
	}
	if plan.Policy != "" && plan.Policy != p.Digest() {
		return app.Fail(app.ExitInvalid, fmt.Errorf("the plan was made with another scan-policy.yaml: plan again, or judge by the one of its commit"))
	}
	part, err := selected(plan, images, o.platform, model.StepGate)
	if err != nil {
		return err
	}
	dir, err := artifactsIn(a)
	if err != nil {
		return err
	}
	o.out = cmp.Or(o.out, dir)
	c := registryOf(a, plan)
	again := scanners{app: a, registry: c, policy: p}
	defer func() { err = errors.Join(err, again.close()) }()
	rescan := func(ctx context.Context, r scan.Request) ([]model.Scan, error) {
		return again.run(ctx, []scan.Request{r})
	}
	subjects, err := judgeEntries(ctx, gate.Step{Registry: c, Policy: p, Artifacts: dir, Rescan: rescan}, a, plan, part)
	if err != nil {
		return err
	}
	return o.finish(a, p, time.Now(), subjects, unjudged(plan, part))
}

// judgeEntries judges targets, several at once, and says that of all; the error
// is of what could not be asked.
func judgeEntries(ctx context.Context, s gate.Step, a *app.App, p, part *model.Plan) ([]gate.Subject, error) {
	var mu sync.Mutex
	var subjects []gate.Subject
	s.Judged = func(one gate.Subject) {
		mu.Lock()
		defer mu.Unlock()
		subjects = append(subjects, one)
	}
	run := step.ForTarget(model.StepGate, a.Log, s.Run)
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(4 * runtime.NumCPU())
	for n := range part.Entries {
		g.Go(func() error {
			_, err := run(ctx, p, &part.Entries[n])
			_, skipped := step.Skipped(err)
			_, refused := errors.AsType[*gate.Refused](err)
			_, incomplete := errors.AsType[*gate.Incomplete](err)
			if skipped || refused || incomplete { // its verdict says so
				return nil
			}
			return err
		})
	}
	err := g.Wait()
	return subjects, err
}

// unjudged are the targets of a plan's fleet that are not in a part of it.
func unjudged(p, part *model.Plan) []model.TargetID {
	judged := map[model.TargetID]bool{}
	for n := range part.Entries {
		judged[part.Entries[n].ID()] = true
	}
	var out []model.TargetID
	for _, node := range p.Nodes() {
		for _, platform := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
			if node.Platform = platform; !judged[node] {
				out = append(out, node)
			}
		}
	}
	return out
}

// finish prints what was judged, writes the reports, and is the error that it
// leads to.
func (o *gating) finish(a *app.App, p model.Policy, now time.Time, subjects []gate.Subject, others []model.TargetID) error {
	verdicts := make([]model.Verdict, 0, len(subjects))
	for i := range subjects {
		verdicts = append(verdicts, subjects[i].Verdict)
	}
	r := gate.NewReport(p, now, verdicts, others)
	if o.out != "" {
		if err := gate.WriteReports(o.out, subjects, app.Version()); err != nil {
			return err
		}
	}
	if err := o.print(a, &r, subjects); err != nil {
		return err
	}
	o.sayWarnings(a, &r)
	switch {
	case p.Mode == model.EnforceOff:
		a.Log.Warn("enforcement is off in the policy: the verdict stops nothing")
	case p.Mode == model.EnforceWarn && r.Outcome != model.VerdictPass:
		a.Log.Warn("the policy only warns: only promotion refuses\n  " + strings.Join(r.Sentences(), "\n  "))
	}
	return r.Err()
}

func (o *gating) print(a *app.App, r *gate.Report, subjects []gate.Subject) error {
	var b bytes.Buffer
	var err error
	switch o.format {
	case "json":
		e := json.NewEncoder(&b)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		err = e.Encode(r)
	case "sarif":
		err = gate.WriteSARIF(&b, subjects, app.Version())
	case "gitlab":
		err = gate.WriteGitLab(&b, subjects, app.Version())
	case "junit":
		err = gate.WriteJUnit(&b, subjects)
	default:
		t := term.NewTable("IMAGE", "PLATFORM", "VERDICT", "FINDING", "SEVERITY", "PACKAGE", "FIXED", "WHY")
		for _, row := range r.Rows() {
			t.Row(row.Image, row.Platform, row.Verdict, row.Finding, row.Severity, row.Package, row.Fixed, row.Why)
		}
		err = t.Write(&b, a.OutTTY)
	}
	if err != nil {
		return err
	}
	_, err = a.Out.Write(b.Bytes())
	return err
}

// sayWarnings says each thing that should be known once.
func (o *gating) sayWarnings(a *app.App, r *gate.Report) {
	said := map[string]bool{}
	for i := range r.Verdicts {
		for _, w := range r.Verdicts[i].Warnings {
			if !said[w] {
				said[w] = true
				a.Log.Warn(w)
			}
		}
	}
	for _, x := range r.Unused {
		a.Log.Warn(fmt.Sprintf("the exception for %s in %s is for nothing that was found: remove it", x.ID, x.PURL))
	}
	if fixable, refused := r.IfFixed(); refused > 0 {
		a.Log.Info(fmt.Sprintf("with the fixed versions %d of %d refused platforms would pass", fixable, refused))
	}
}

func printExpiring(a *app.App, list []gate.Ending) error {
	if a.JSON {
		e := json.NewEncoder(a.Out)
		e.SetIndent("", "  ")
		return e.Encode(map[string]any{"version": gate.ReportVersion, "exceptions": list})
	}
	if len(list) == 0 {
		a.Log.Info("no exception ends soon, or has ended")
		return nil
	}
	t := term.NewTable("EXCEPTION", "PACKAGE", "IMAGES", "OWNER", "TICKET", "ENDS", "DAYS")
	for _, e := range list {
		images := strings.Join(e.Images, ", ")
		t.Row(e.ID, e.PURL, cmp.Or(images, "all"), e.Owner, e.Ticket, e.Expires, fmt.Sprint(e.Days))
	}
	return t.Write(a.Out, a.OutTTY)
}
