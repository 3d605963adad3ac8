package runcmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// verification is the flags of verify.
type verification struct {
	given
	trusting
}

func verifyCommand(a *app.App) *cobra.Command {
	var o verification
	cmd := &cobra.Command{
		Use: "verify IMAGE|REFERENCE...", Short: "Check an image's signature and attestations, and name what is missing",
		Long: `Check an image's signature and attestations, and name what is missing.

Each digest, the index's and those of its platforms, must be signed, and have an
attestation of each kind, by somebody who is trusted. It is read, too: provenance
must name a trusted builder and what the image was made from, a scan must have
finished, and the newest decision must let just this digest pass. A signature
without attestations, and attestations without a signature, are not enough.

The exit code is 5 where anything is missing.`,
		Example: "  rootfsrun verify python\n  rootfsrun verify registry.example.com/prod/python:3.13-2026.11.21 --key keys/cosign.pub\n" +
			"  rootfsrun verify python --identity 'https://github.com/team/images/*' --issuer https://token.actions.githubusercontent.com --root trusted_root.json --require signature,decision",
		Args:              app.AtLeastOne("an image or a reference"),
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return o.run(cmd.Context(), a, args) },
	}
	o.given.flagsToLook(a, cmd)
	o.trusting.flags(cmd)
	return cmd
}

// verified is what the command prints of one image.
type verified struct {
	Ref     string           `json:"ref"`
	Digest  model.Digest     `json:"digest"`
	Proofs  []attest.Proof   `json:"proofs"`
	Missing []attest.Missing `json:"missing"`
}

func (o *verification) run(ctx context.Context, a *app.App, names []string) error {
	set, err := settingsFor(ctx, a, names)
	if err != nil {
		return err
	}
	q, err := o.requirements(ctx, a, set.Trust)
	if err != nil {
		return err
	}
	c := registry.New(registry.Options{Bootstrap: set.Registry.Bootstrap, Log: a.Log})
	located, err := o.locate(ctx, a, c, names)
	if err != nil {
		return err
	}
	all := make([]verified, 0, len(located))
	missing := 0
	for _, l := range located {
		v, err := verifyImage(ctx, c, l, q)
		if err != nil {
			return err
		}
		missing += len(v.Missing)
		all = append(all, v)
	}
	if err := printVerified(a, all); err != nil {
		return err
	}
	if missing > 0 {
		return app.Fail(app.ExitRefused, fmt.Errorf("%d of what is required is missing", missing))
	}
	return nil
}

// location is where an image lies.
type location struct {
	name, repo string
	digest     model.Digest
	policy     model.Digest // that it must have passed; empty is any
}

// isReference tells a reference, which has a registry's host, from an image of
// the fleet.
func isReference(name string) bool { return strings.Contains(name, "/") }

// settingsFor are the settings that what was named is looked at with. References
// say by themselves where they lie: they need no repository, and where there is
// none, nor settings, nobody is trusted.
func settingsFor(ctx context.Context, a *app.App, names []string) (model.Settings, error) {
	root, err := a.Root()
	if err != nil {
		return model.Settings{}, err
	}
	config := a.Config
	if !filepath.IsAbs(config) {
		config = filepath.Join(root, config)
	}
	_, noRepository := os.Lstat(filepath.Join(root, ".git"))
	_, noSettings := os.Lstat(config)
	if errors.Is(noRepository, fs.ErrNotExist) && errors.Is(noSettings, fs.ErrNotExist) && !slices.ContainsFunc(names, func(n string) bool { return !isReference(n) }) {
		return model.Settings{}, nil
	}
	return settings(ctx, a, planning.Options{})
}

// locate finds what was named: references, and images of the fleet.
func (g *given) locate(ctx context.Context, a *app.App, c *registry.Client, names []string) ([]location, error) {
	var out []location
	var images []string
	for _, name := range names {
		if !isReference(name) {
			images = append(images, name)
			continue
		}
		repo, digest, err := attest.Locate(ctx, c, name)
		if err != nil {
			return nil, err
		}
		out = append(out, location{name: name, repo: repo, digest: digest})
	}
	if len(images) == 0 {
		return out, nil
	}
	p, err := g.load(ctx, a, images)
	if err != nil {
		return nil, err
	}
	if err := published(p); err != nil {
		return nil, err
	}
	wanted, err := indexes(p, images)
	if err != nil {
		return nil, err
	}
	called := p.Called()
	for _, i := range wanted {
		r, merged, err := index.Merged(ctx, c, p, i)
		if err != nil {
			return nil, err
		}
		if !merged {
			return nil, fmt.Errorf("%s is not merged: there is nothing to look at yet", called(i.ID()))
		}
		out = append(out, location{called(i.ID()), p.Prefix + "/" + i.Repository, r.Digest, p.Policy})
	}
	return out, nil
}

// verifyImage verifies an index and each of its platforms.
func verifyImage(ctx context.Context, c *registry.Client, l location, q attest.Requirements) (verified, error) {
	q.Policy = l.policy
	out := verified{Ref: l.repo + "@" + l.digest.String(), Digest: l.digest, Proofs: []attest.Proof{}, Missing: []attest.Missing{}}
	image, err := attest.Read(ctx, c, l.repo, l.digest)
	if err != nil {
		return out, err
	}
	for n, d := range image.Digests() {
		proofs, missing, err := attest.Verify(ctx, c, l.repo, d, q)
		if err != nil {
			return out, err
		}
		for _, m := range missing {
			if n > 0 {
				m.Platform = image.Platforms[n-1].Platform.String()
			}
			out.Missing = append(out.Missing, m)
		}
		out.Proofs = append(out.Proofs, proofs...)
	}
	return out, nil
}

func printVerified(a *app.App, all []verified) error {
	if a.JSON {
		return printJSON(a, all)
	}
	t := term.NewTable("REFERENCE", "OF", "WHAT", "SIGNED BY")
	for _, v := range all {
		for _, p := range v.Proofs {
			t.Row(v.Ref, digestFor(a, p.Subject), p.Requirement, p.By)
		}
	}
	if err := t.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	for _, v := range all {
		for _, m := range v.Missing {
			fmt.Fprintf(a.Err, "%s: %s\n", v.Ref, m)
		}
	}
	return nil
}

// printJSON prints one document.
func printJSON(a *app.App, v any) error { return json.NewEncoder(a.Out).Encode(v) }
