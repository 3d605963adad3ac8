package runcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// promotionBranch is where a request for a promotion lies.
const promotionBranch = "rootfsgen/promote"

// witnesses are whom a promotion asks about its images: scanners, unless
// enforcement is off, and signatures, where the settings demand any.
func (o *promotion) witnesses(ctx context.Context, a *app.App, s *promote.Step) error {
	if o.scanning.anew = o.anew(s.Registry); o.scanning.anew != nil {
		s.Own = o.scanning.anew.all
	}
	if err := o.rule(ctx, a, s); err != nil {
		return err
	}
	if s.Policy.Mode != model.EnforceOff {
		s.Google = func(repo string) bool { host, _, _ := strings.Cut(repo, "/"); return login.IsGoogle(host) }
	}
	if len(o.set.Trust.Require) == 0 {
		return nil
	}
	options, err := planning.SignOptions(a, model.ScopeProd)
	if err != nil {
		return err
	}
	judge, err := sign.Trusting(ctx, o.set.Trust.Signers, o.set.Trust.Root, options)
	if err != nil {
		return err
	}
	s.Verifier = attest.Gate{Registry: s.Registry, Requirements: attest.Requirements{
		Judge: judge, Require: o.set.Trust.Require, BuilderIDs: o.set.Trust.BuilderIDs,
	}}
	return nil
}

// rule sets by which policies a promotion judges. What is promoted was tagged
// at some time, and may have waited for who approves it: in a job the policy of
// the default branch, as it is by now, counts beside that of what is checked
// out, and whom it trusts must be the same.
func (o *promotion) rule(ctx context.Context, a *app.App, s *promote.Step) error {
	own := promote.Ruling{Policy: o.policy, Scanner: o.scanner(a, s.Registry, o.policy, nil)}
	rulings := []promote.Ruling{own}
	if a.CI() {
		branch, err := o.defaultBranch(a)
		if err != nil {
			return err
		}
		here, there, err := planning.Rulings(ctx, a, branch)
		if err != nil {
			return app.Fail(app.ExitIncomplete, fmt.Errorf("nobody can say what %s asks of a promotion: %w", branch, err))
		}
		if here.Trust != there.Trust {
			return app.Fail(app.ExitInvalid, fmt.Errorf("whom rootfsgen.yaml trusts is another on %s (%.12s) than here (%.12s)\nhint: promote a tag of a commit that has trust: as %s has it", branch, there.Commit, here.Commit, branch))
		}
		if there.Policy.Digest() != here.Policy.Digest() || !maps.EqualFunc(there.VEX, here.VEX, bytes.Equal) {
			vex, err := scan.ParseVEX(there.VEX)
			if err != nil {
				return fmt.Errorf("reading the statements of %s: %w", branch, err)
			}
			theirs := promote.Ruling{Name: "the policy of " + branch, Policy: there.Policy, Scanner: o.scanner(a, s.Registry, there.Policy, &vex)}
			if here.Policy.Mode == model.EnforceOff {
				theirs.Scanner = unequipped(branch, theirs.Scanner)
			}
			rulings = []promote.Ruling{own, theirs}
		}
	}
	rulings = slices.DeleteFunc(rulings, func(r promote.Ruling) bool { return r.Policy.Mode == model.EnforceOff })
	if len(rulings) == 0 {
		return nil
	}
	s.Policy, s.Scanner, s.Also = rulings[0].Policy, rulings[0].Scanner, rulings[1:]
	return nil
}

// unequipped explains why a job has no scanners: its pipeline was generated
// where nothing is judged, and the default branch asks for it.
func unequipped(branch string, next promote.Scanner) promote.Scanner {
	return func(ctx context.Context, targets []promote.Target) ([]model.Scan, error) {
		scans, err := next(ctx, targets)
		if missing, is := errors.AsType[*tools.MissingError](err); is {
			var names []string
			for _, p := range missing.Programs {
				names = append(names, p.Name)
			}
			err = app.Fail(app.ExitIncomplete, fmt.Errorf("%s asks for scans, and here is no %s: enforcement is off in the scan-policy.yaml of what is promoted, so its pipeline brings no scanners\n"+
				"hint: take over scan-policy.yaml from %s, run 'rootfsgen generate', and promote a tag of that commit", branch, strings.Join(names, " and no "), branch))
		}
		return scans, err
	}
}

// defaultBranch is the forge's own, which rootfsgen.yaml must name: that of a tag
// may name any branch, whose policy would then speak for the default branch's.
func (o *promotion) defaultBranch(a *app.App) (string, error) {
	branch, err := forge.DefaultBranchOf(a.Env)
	if err != nil {
		return "", app.Fail(app.ExitIncomplete, err)
	}
	if branch != "" && branch != o.set.DefaultBranch {
		return "", app.Fail(app.ExitInvalid, fmt.Errorf("the default branch is %s, and rootfsgen.yaml says that it is %s\nhint: promote a tag of a commit whose default_branch is the repository's", branch, o.set.DefaultBranch))
	}
	return o.set.DefaultBranch, nil
}

// scanner asks today's scanners, as a policy names them; vex is what holds
// beside it, nil is what is checked out.
func (o *promotion) scanner(a *app.App, c *registry.Client, p model.Policy, vex *scan.VEX) promote.Scanner {
	return func(ctx context.Context, targets []promote.Target) (scans []model.Scan, err error) {
		var requests []scan.Request
		for _, t := range targets {
			requests = append(requests, scan.Request{Repo: t.Repo, Target: t.ID, Digest: t.Digest})
		}
		scanning := o.scanning
		scanning.vex = vex
		s, end, err := scanning.step(ctx, a, c, p, requests)
		defer func() { err = errors.Join(err, end()) }()
		if err != nil {
			return nil, err
		}
		if scans, err = s.Run(ctx, requests); err != nil || o.scanning.anew == nil {
			return scans, err
		}
		return scans, o.scanning.anew.list(ctx, a, c, requests)
	}
}

// proposal offers the document as a request of this job's forge.
func (o *promotion) proposal(a *app.App) (func(context.Context, []byte, string) error, error) {
	branch, isGit := o.opened.(*channel.Git)
	if !isGit {
		return nil, app.Fail(app.ExitUsage, fmt.Errorf("a request can only edit what lies on a branch, and the documents are in %s", o.opened))
	}
	_, client, own, err := forgeOf(a)
	if err != nil {
		return nil, err
	}
	text := requesting{}
	return func(ctx context.Context, doc []byte, old string) error {
		base, err := branch.Propose(ctx, channel.Prod, doc, old, promotionBranch)
		if err != nil {
			return err
		}
		body, err := text.body(own)
		if err != nil {
			return err
		}
		at, err := client.UpsertRequest(ctx, forge.Request{
			Branch: promotionBranch, Base: base, Title: "Promote to prod",
			Body: body + "\nMerging it is the promotion: the images are in the registry of prod already, and nothing names them yet.\n",
		})
		if denied, is := errors.AsType[*forge.Denied](err); is {
			return fmt.Errorf("%w\nhint: let GitHub Actions create pull requests (Settings, Actions, General), or set ROOTFSGEN_FORGE_TOKEN to a token that may", denied)
		}
		if err == nil {
			a.Log.Info("offered: " + at)
		}
		return err
	}, nil
}
