package runcmd

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/scan/local"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// searching is the flags of scan.
type searching struct {
	given
	scanning
	platform string
	policy   string
	archive  string
	channel  string
	store    string
	dbImport string
	dbUpdate bool
}

func scanCommand(a *app.App) *cobra.Command {
	var o searching
	cmd := &cobra.Command{
		Use: "scan [IMAGE...]", Short: "Ask scanners what is wrong with images",
		Long: `Ask scanners what is wrong with images.

Each platform's digest is scanned by itself, by the sources that scan-policy.yaml
names: Google's Artifact Analysis, which is waited for, and grype on this machine,
which reads syft's list of packages. What has finished is kept beside the image,
and is not done again until the scanner or its database is another. Statements in
the repository's vex folder, in OpenVEX, are written into the findings.

Nothing is judged here: "rootfsrun gate" does, and what has not finished does not
pass it. A database that is missing, empty, too old, from the future or without
the image's distribution, and an image without packages, have not finished.

The database lies in .cache/scandb, and is fetched when it is a day old. A folder
that --db or $` + scanDBVariable + ` names is used as it is, without a network;
--db-import fills it from an archive, and $` + scanURLVariable + ` names a mirror.`,
		Example: `  rootfsrun scan --plan plan.json
  rootfsrun scan python --source local --db /srv/scandb --json
  rootfsrun scan --db-import vulnerability-db.tar.zst
  rootfsrun scan --channel prod --json > findings.json
  rootfsrun scan --archive image.tar --json > findings.json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.given.flags(a, cmd)
	o.scanning.flags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.platform, "platform", "", "only this platform, linux/amd64 or linux/arm64")
	planning.CompletePlatforms(cmd)
	f.StringVar(&o.policy, "policy", "", "policy that names the sources (default: scan-policy.yaml beside the settings, where it is there)")
	f.StringVar(&o.archive, "archive", "", "scan the image in this tar `file`, on this machine, and keep nothing")
	f.StringVar(&o.dbImport, "db-import", "", "fill the database's folder from this `archive`, and end")
	f.StringVar(&o.channel, "channel", "", "scan what this `channel` names, testing or prod, and keep nothing in the registry")
	f.StringVar(&o.store, "store", "", storeHelp)
	app.Values(cmd, "channel", model.ScopeTesting, model.ScopeProd)
	f.BoolVar(&o.dbUpdate, "db-update", false, "fill the database's folder with the newest there is, and end")
	for _, name := range []string{"archive", "db-import", "policy"} {
		_ = cmd.MarkFlagFilename(name) // the flags are there
	}
	return cmd
}

func (o *searching) run(ctx context.Context, a *app.App, images []string) error {
	switch {
	case (o.dbImport != "" || o.dbUpdate) && (o.archive != "" || len(images) > 0 || o.file != "" || o.dbImport != "" && o.dbUpdate):
		return app.Fail(app.ExitUsage, errors.New("--db-import and --db-update stand alone: they scan nothing"))
	case o.archive != "" && (len(images) > 0 || o.file != "" || o.platform != ""):
		return app.Fail(app.ExitUsage, errors.New("--archive scans the file alone: leave out images, --plan and --platform"))
	case o.dbImport != "" || o.dbUpdate:
		return o.fill(ctx, a)
	}
	if _, err := o.narrowed(model.Policy{}); err != nil {
		return err
	}
	if o.channel != "" {
		if o.archive != "" || len(images) > 0 || o.file != "" || o.platform != "" || o.policy != "" {
			return app.Fail(app.ExitUsage, errors.New("--channel scans all that the channel names: leave out images, --plan, --platform, --policy and --archive"))
		}
		return o.scanChannel(ctx, a)
	}
	p, err := (&gating{policy: o.policy}).readPolicy(a)
	if err != nil {
		return err
	}
	if o.archive != "" {
		return o.scanArchive(ctx, a, p)
	}
	return o.scanPlan(ctx, a, p, images)
}

// fill brings the database.
func (o *searching) fill(ctx context.Context, a *app.App) error {
	if o.dbImport != "" {
		if err := app.There("--db-import", o.dbImport); err != nil {
			return err
		}
	}
	cache, err := a.Cache()
	if err != nil {
		return err
	}
	grype, err := tools.Find(filepath.Join(cache, "bin"), "grype")
	if err != nil {
		return err
	}
	dir, _, err := o.database(a)
	if err != nil {
		return err
	}
	if o.dbUpdate {
		err = local.Update(ctx, grype, dir, a.Env(scanURLVariable))
	} else {
		var file string
		if file, err = filepath.Abs(o.dbImport); err == nil {
			err = local.Import(ctx, grype, dir, file)
		}
	}
	if err != nil {
		return err
	}
	a.Log.Info(fmt.Sprintf("the database of vulnerabilities in %s is of %s", dir, local.Built(ctx, grype, dir).Format("2006-01-02 15:04 MST")))
	return nil
}

// scanPlan scans the images of a plan.
func (o *searching) scanPlan(ctx context.Context, a *app.App, p model.Policy, images []string) (err error) {
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
	part, err := selected(plan, images, o.platform, model.StepScan)
	if err != nil {
		return err
	}
	c := registryOf(a, plan)
	var requests []scan.Request
	for n := range part.Entries {
		s, err := sbom.Locate(ctx, c, plan, &part.Entries[n])
		if err != nil {
			return err
		}
		requests = append(requests, scan.Request{Repo: s.Repo, Target: s.Target, Digest: s.Digest})
	}
	s, end, err := o.step(ctx, a, c, p, requests)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, end()) }()
	scans, err := s.Run(ctx, requests)
	if err != nil {
		return err
	}
	dir, err := artifactsIn(a)
	if err != nil {
		return err
	}
	for _, r := range requests {
		if err := writeScans(filepath.Join(dir, gate.ScansFolder), plan.FileName(r.Target)+"-"+r.Target.Platform.Arch+".json", scans, r.Target); err != nil {
			return err
		}
	}
	return printScans(a, scans, plan.Called())
}

// writeScans writes those of one target to a file.
func writeScans(dir, file string, scans []model.Scan, of model.TargetID) error {
	own := []model.Scan{}
	for _, s := range scans {
		if s.ID() == of {
			own = append(own, s)
		}
	}
	b, err := encodeScans(own)
	if err != nil {
		return err
	}
	return artifact.WriteFile(dir, file, b)
}

func encodeScans(scans []model.Scan) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	err := e.Encode(model.Scans{Version: model.ScanVersion, Scans: append([]model.Scan{}, scans...)})
	return b.Bytes(), err
}

// unnamed is what the name of an image may not have.
var unnamed = regexp.MustCompile(`[^a-z0-9]+`)

// scanArchive scans an image in a file.
func (o *searching) scanArchive(ctx context.Context, a *app.App, p model.Policy) error {
	if err := app.There("--archive", o.archive); err != nil {
		return err
	}
	l, err := o.local(a, nil, model.PolicySource{}, p.State.MaxAge, false)
	if err != nil {
		return err
	}
	base := strings.TrimSuffix(filepath.Base(o.archive), ".tar")
	name := strings.Trim(unnamed.ReplaceAllString(strings.ToLower(base), "-"), "-")
	s, err := l.Archive(ctx, o.archive, cmp.Or(name, "archive"))
	if err != nil {
		return err
	}
	scans := []model.Scan{s}
	root, err := a.Root()
	if err != nil {
		return err
	}
	v, err := scan.LoadVEX(os.DirFS(root))
	if err != nil {
		return err
	}
	v.Apply(nil, scans)
	return printScans(a, scans, func(t model.TargetID) string { return t.Image })
}

// printScans prints the document, or, for people, what is in it.
func printScans(a *app.App, scans []model.Scan, called func(model.TargetID) string) error {
	if a.JSON {
		b, err := encodeScans(scans)
		if err == nil {
			_, err = a.Out.Write(b)
		}
		return err
	}
	t := term.NewTable(append([]string{"IMAGE", "PLATFORM", "SOURCE", "STATE"}, append(model.Severities(), "DATABASE")...)...)
	for _, s := range scans {
		row := []string{called(s.ID()), s.Platform, s.Source, s.State}
		for _, severity := range model.Severities() {
			n := 0
			for _, f := range s.Findings {
				if f.Severity == severity {
					n++
				}
			}
			row = append(row, map[bool]string{true: fmt.Sprint(n), false: "-"}[s.State == model.ScanFinished])
		}
		t.Row(append(row, cmp.Or(s.Database, "-"))...)
		if s.State != model.ScanFinished {
			a.Log.Warn(fmt.Sprintf("%s %s: %s: %s", called(s.ID()), s.Platform, s.Source, s.Detail))
		}
	}
	return t.Write(a.Out, a.OutTTY)
}
