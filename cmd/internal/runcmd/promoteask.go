package runcmd

import (
	"context"
	"errors"
	"fmt"
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
)

// promotionBranch is where a request for a promotion lies.
const promotionBranch = "rootfsgen/promote"

// witnesses are whom a promotion asks about its images: scanners, unless
// enforcement is off, and signatures, where the settings demand any.
func (o *promotion) witnesses(ctx context.Context, a *app.App, s *promote.Step) error {
	if o.scanning.anew = o.anew(s.Registry); o.scanning.anew != nil {
		s.Own = o.scanning.anew.all
	}
	if o.policy.Mode != model.EnforceOff {
		s.Scanner = o.scanner(a, s.Registry)
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

// scanner asks today's scanners, as the policy names them.
func (o *promotion) scanner(a *app.App, c *registry.Client) promote.Scanner {
	return func(ctx context.Context, targets []promote.Target) (scans []model.Scan, err error) {
		var requests []scan.Request
		for _, t := range targets {
			requests = append(requests, scan.Request{Repo: t.Repo, Target: t.ID, Digest: t.Digest})
		}
		s, end, err := o.scanning.step(ctx, a, c, o.policy, requests)
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
