package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// listing is the flags of sbom.
type listing struct {
	given
	platform string
	archive  string
	formats  []string
	out      string
}

func sbomCommand(a *app.App) *cobra.Command {
	var o listing
	cmd := &cobra.Command{
		Use: "sbom [IMAGE...]", Short: "List what images are made of, with syft",
		Long: `List what images are made of, with syft.

The newest bytes of each platform are listed, by digest, and the lists attached to
them in the registry; a list of the same digest by the same syft is not made
again. build-artifacts gets the one in CycloneDX, as GitLab reads it.

With --archive an image in a tar file is listed, as "docker save" or an OCI layout
has it: on standard output, or into the folder of --out.`,
		Example: `  rootfsrun sbom --plan plan.json
  rootfsrun sbom python --format cyclonedx-json --format spdx-json --out sboms
  rootfsrun sbom --archive image.tar --format spdx-json > image.spdx.json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.flags(a, cmd)
	f := cmd.Flags()
	f.StringVar(&o.platform, "platform", "", "only this platform, linux/amd64 or linux/arm64")
	planning.CompletePlatforms(cmd)
	f.StringArrayVar(&o.formats, "format", []string{sbom.CycloneDX}, "`format` of a list: "+strings.Join(sbom.Formats(), ", ")+"; may be repeated")
	f.StringVar(&o.archive, "archive", "", "list the image in this tar `file`")
	f.StringVar(&o.out, "out", "", "write the lists into this `folder`, too")
	app.Values(cmd, "format", sbom.Formats()...)
	_ = cmd.MarkFlagFilename("archive", "tar") // the flags are there
	_ = cmd.MarkFlagDirname("out")
	return cmd
}

func (o *listing) run(ctx context.Context, a *app.App, images []string) error {
	for _, f := range o.formats {
		if !slices.Contains(sbom.Formats(), f) {
			return app.Fail(app.ExitUsage, fmt.Errorf("unknown --format %q: expected %s", f, strings.Join(sbom.Formats(), ", ")))
		}
	}
	slices.Sort(o.formats)
	o.formats = slices.Compact(o.formats)
	if o.archive != "" && (len(images) > 0 || o.file != "" || o.platform != "") {
		return app.Fail(app.ExitUsage, errors.New("--archive lists the file alone: leave out images, --plan and --platform"))
	}
	if o.archive != "" {
		return o.listArchive(ctx, a)
	}
	return o.listPlan(ctx, a, images)
}

// lister is syft, which is looked for when it is known what it is to list.
func lister(a *app.App) (program sbom.Program, err error) {
	cache, err := a.Cache()
	if err != nil {
		return program, err
	}
	syft, err := tools.Find(filepath.Join(cache, "bin"), "syft")
	if err != nil {
		return program, err
	}
	return sbom.NewProgram(syft), nil
}

func (o *listing) listArchive(ctx context.Context, a *app.App) error {
	if o.out == "" && len(o.formats) > 1 {
		return app.Fail(app.ExitUsage, errors.New("several formats need --out: only one fits on standard output"))
	}
	if err := app.There("--archive", o.archive); err != nil {
		return err
	}
	program, err := lister(a)
	if err != nil {
		return err
	}
	docs, err := program.Archive(ctx, o.archive, o.formats)
	if err != nil {
		return err
	}
	for _, format := range o.formats {
		if o.out == "" {
			_, err = a.Out.Write(docs[format])
		} else {
			err = sbom.WriteFile(o.out, strings.TrimSuffix(filepath.Base(o.archive), ".tar"), format, docs[format])
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// listed is a list as the command prints it.
type listed struct {
	Image    string       `json:"image"`
	Platform string       `json:"platform"`
	Digest   model.Digest `json:"digest"` // of the image
	Format   string       `json:"format"`
	SBOM     model.Digest `json:"sbom"`     // SHA-256 of the list
	Artifact model.Digest `json:"artifact"` // that holds it, in the image's repository
	Packages int          `json:"packages"` // 0 for a format that is not read
	New      bool         `json:"new"`      // this run made it
}

func (o *listing) listPlan(ctx context.Context, a *app.App, images []string) error {
	p, err := o.load(ctx, a, images)
	if err != nil {
		return err
	}
	if inert(a, p.Prefix) {
		return nil
	}
	if err := published(p); err != nil {
		return err
	}
	part, err := selected(p, images, o.platform, model.StepSBOM)
	if err != nil {
		return err
	}
	dir, err := artifactsIn(a)
	if err != nil {
		return err
	}
	program, err := lister(a)
	if err != nil {
		return err
	}
	c := registryOf(a, p)
	rows := make([][]listed, len(part.Entries))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(runtime.NumCPU())
	for n := range part.Entries {
		g.Go(func() error {
			e := &part.Entries[n]
			s := sbom.Step{Registry: c, Program: program, Formats: o.formats, Reports: dir, Out: o.out}
			s.Made = func(of sbom.Subject, docs []sbom.Document) { rows[n] = listedOf(p.Called(), of, docs) }
			_, err := step.ForTarget(model.StepSBOM, a.Log, s.Run)(ctx, p, e)
			if _, skipped := step.Skipped(err); skipped {
				return nil
			}
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	return printListed(a, slices.Concat(rows...))
}

func listedOf(called func(model.TargetID) string, of sbom.Subject, docs []sbom.Document) []listed {
	var out []listed
	for _, d := range docs {
		l := listed{Image: called(of.Target), Platform: of.Target.Platform.String(), Digest: of.Digest, Format: d.Format, SBOM: model.DigestOf(d.Body), New: d.New}
		for _, in := range d.Receipt.Inputs {
			if in.Name == "artifact "+d.Format {
				l.Artifact = in.Digest
			}
		}
		if list, err := sbom.Packages(d.Body); err == nil {
			l.Packages = len(list)
		}
		out = append(out, l)
	}
	return out
}

func printListed(a *app.App, list []listed) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(append([]listed{}, list...))
	}
	t := term.NewTable("IMAGE", "PLATFORM", "FORMAT", "PACKAGES", "SBOM", "NOTE")
	for _, l := range list {
		packages := fmt.Sprint(l.Packages)
		if l.Format == sbom.SPDX {
			packages = "-"
		}
		t.Row(l.Image, l.Platform, l.Format, packages, digestFor(a, l.SBOM), map[bool]string{true: "attached", false: "was there"}[l.New])
	}
	if len(list) == 0 {
		return nil
	}
	return t.Write(a.Out, a.OutTTY)
}
