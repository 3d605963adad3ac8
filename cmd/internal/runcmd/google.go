package runcmd

import (
	"context"
	"errors"
	"time"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan/analysis"
)

// artifactRegistry is Artifact Registry's own interface, for a job of a scope.
func artifactRegistry(a *app.App, scope string) (*artifactregistry.Client, error) {
	return artifactregistry.New(artifactregistry.Options{
		API: googleapi.Options{Endpoint: a.Env(googleapi.RegistryVariable), Tokens: &login.Google{Scope: scope}}, Log: a.Log,
	})
}

// attachmentsOf asks Artifact Registry what is attached to a digest; elsewhere
// nothing is but what a registry's protocol lists. Call end when it is done.
func attachmentsOf(a *app.App) (list func(context.Context, string, model.Digest) ([]artifactregistry.Attachment, error), end func() error, err error) {
	c, err := artifactRegistry(a, model.ScopeRead)
	if err != nil {
		return nil, nil, err
	}
	return func(ctx context.Context, repo string, digest model.Digest) ([]artifactregistry.Attachment, error) {
		if _, is := artifactregistry.PlaceOf(repo); !is {
			return nil, nil
		}
		return c.Attachments(ctx, repo, digest)
	}, c.Close, nil
}

// artifactAnalysis is Google's scanner, as the policy asks for it. Before it
// waits, it asks whether anything is scanned at all. Close it at the end.
func artifactAnalysis(a *app.App, c *registry.Client, p model.PolicySource, maxAge time.Duration) (*analysis.Source, func() error, error) {
	o := analysis.Options{
		API:     googleapi.Options{Endpoint: a.Env(googleapi.AnalysisVariable), Tokens: &login.Google{Scope: c.Scope()}},
		Timeout: p.Timeout, Poll: p.Poll, MaxAge: maxAge, Manifests: c, Log: a.Log,
	}
	o.Pull = func(ctx context.Context, repo string, digest model.Digest) error {
		_, _, err := c.Manifest(ctx, repo, digest.String())
		return err
	}
	settings, err := artifactRegistry(a, c.Scope())
	if err != nil {
		return nil, nil, err
	}
	o.Settings = settings
	s, err := analysis.New(o)
	if err != nil {
		return nil, nil, errors.Join(err, settings.Close())
	}
	return s, func() error { return errors.Join(s.Close(), settings.Close()) }, nil
}
