package gencmd

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/cmd/internal/locking"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// doctorCommand looks at what pipelines need.
func doctorCommand(a *app.App) *cobra.Command {
	var offline bool
	cmd := &cobra.Command{
		Use: "doctor", Short: "Find what would make the pipelines fail, and the commands that mend it", Args: cobra.NoArgs,
		Long: `Find what would make the pipelines fail, and the commands that mend it: the
programs of this machine, the clone, the settings, the registries, and how the
repository is set up on its forge: protection of the branch and of release tags,
the required check, who may enter the environments that jobs name, approval of
what outsiders ask for, machines with the labels that jobs want, secrets by name,
schedules. Where images lie in Google's Artifact
Registry: whether they are scanned, and whether immutable tags or cleanup policies
are in the way. Nothing is changed, and no secret is read.

Which forge it is, origin says. The variable ` + forge.TokenVariable + ` may hold a token
that may read the repository's settings; what it may not see is "unknown".`,
		Example: "  rootfsgen doctor\n  rootfsgen doctor --json\n  rootfsgen doctor --offline",
		RunE: func(cmd *cobra.Command, _ []string) error {
			r, err := examine(cmd.Context(), a, offline)
			if err != nil {
				return err
			}
			if err := printReport(a, r.Sorted()); err != nil {
				return err
			}
			if r.Failed() {
				return app.Fail(app.ExitFailed, nil)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&offline, "offline", false, "ask no forge and no registry")
	return cmd
}

// examine makes every finding there is.
func examine(ctx context.Context, a *app.App, offline bool) (r doctor.Report, err error) {
	quiet := *a
	quiet.Quiet = true
	s, err := planning.Load(ctx, &quiet, planning.Options{State: planning.StateOff})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	root, set := s.Repo.Root(), &s.Now.Fleet.Settings
	origin := gitSays(ctx, root, "remote.origin.url")
	r = doctor.Repository{Shallow: s.Repo.Shallow(), Partial: gitSays(ctx, root, "remote.origin.promisor") != "", Origin: withoutLogin(origin)}.Look()
	r = append(r, doctor.Fleet(set)...)
	r = append(r, doctor.Lock(notLocked(s)))
	r = append(r, doctor.Machine{
		Tools: tools.List(ctx, filepath.Join(root, ".cache", "bin")), Root: os.Geteuid() == 0, Builder: a.Env("BUILDKIT_HOST"),
	}.Look()...)
	if !offline {
		client := registry.New(registry.Options{Log: a.Log, Attempts: 2})
		r = append(r, doctor.Registries(ctx, s.Now.Fleet, client.Tags)...)
		google, err := examineGoogle(ctx, a, set, waitsForGoogle(&s.Policy))
		if err != nil {
			return nil, err
		}
		r = append(r, google...)
	}
	p, list, err := pipeline.Layout(s.Now.Fleet, pipeline.EdgesOf(s.Now.Graph), pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		return nil, err
	}
	return append(r, examineForge(ctx, a, set, p, origin, offline)...), nil
}

// examineGoogle asks Artifact Registry how the scopes' repositories are set up,
// where some lie there.
func examineGoogle(ctx context.Context, a *app.App, set *model.Settings, gate bool) (doctor.Report, error) {
	if !doctor.HasArtifactRegistry(set) {
		return nil, nil
	}
	client, err := artifactregistry.New(artifactregistry.Options{
		API:   googleapi.Options{Endpoint: a.Env(googleapi.RegistryVariable), Tokens: &login.Google{Scope: model.ScopeRead}},
		Retry: googleapi.Retry{Attempts: 2}, Log: a.Log,
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = client.Close() }() // everything was said
	return doctor.ArtifactRegistry(ctx, set, gate, client), nil
}

// waitsForGoogle tells whether a gate asks Artifact Analysis.
func waitsForGoogle(p *model.Policy) bool {
	return p.Mode != model.EnforceOff && slices.ContainsFunc(p.Sources, func(s model.PolicySource) bool {
		return s.Name == model.SourceArtifactAnalysis && s.Required != model.RequiredNever
	})
}

// notLocked names what the fleet needs of images.lock and does not find there.
func notLocked(s *planning.Session) []string {
	_, missing := locking.Missing(s.Now.Fleet, s.Now.Graph, s.Now.Fleet.Lock)
	names := make([]string, len(missing))
	for i, c := range missing {
		names[i] = describe(c)
	}
	return names
}

// examineForge asks the forge that origin is on.
func examineForge(ctx context.Context, a *app.App, set *model.Settings, p *pipeline.Pipeline, origin string, offline bool) doctor.Report {
	x := doctor.Finding{Area: "forge", Check: "repository", State: doctor.Unknown, Why: "its settings decide whether pipelines start, and who may publish"}
	o, known := forge.FromEnvironment(a.Env)
	if !known {
		o, known = forgeOf(a, set, origin)
	}
	switch {
	case offline:
		x.Says = "not asked"
		return doctor.Report{x}
	case !known:
		x.Says = "origin is on no forge that is known: " + strings.Join(set.Forges, " or ") + " is, and those under github.url and gitlab.url"
		return doctor.Report{x}
	}
	o.Log, o.Attempts = a.Log, 2
	client, err := forge.New(o)
	if err != nil {
		x.Says = err.Error()
		return doctor.Report{x}
	}
	f := doctor.Forge{Name: o.Forge, Project: o.Project, Setup: client, Settings: set, Pipeline: p}
	return f.Look(ctx)
}

// forgeOf reads an origin such as git@github.com:owner/name.git.
func forgeOf(a *app.App, set *model.Settings, origin string) (forge.Options, bool) {
	host, project := splitOrigin(origin)
	if host == "" || project == "" {
		return forge.Options{}, false
	}
	switch host {
	case hostOf(cmp.Or(set.GitHub.URL, model.DefaultGitHubURL)):
		return forge.Options{Forge: forge.GitHub, API: set.GitHub.API(), Project: project, Token: cmp.Or(a.Env(forge.TokenVariable), a.Env("GITHUB_TOKEN"), a.Env("GH_TOKEN"))}, true
	case hostOf(set.GitLab.Address()):
		return forge.Options{Forge: forge.GitLab, API: set.GitLab.API(), Project: project, Token: cmp.Or(a.Env(forge.TokenVariable), a.Env("GITLAB_TOKEN"))}, true
	}
	return forge.Options{}, false
}

func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Hostname()
}

// splitOrigin takes an address of git's apart: https://host/path.git,
// ssh://git@host:22/path, git@host:path.
func splitOrigin(origin string) (host, project string) {
	if u, err := url.Parse(origin); err == nil && u.Host != "" {
		return u.Hostname(), strings.TrimSuffix(strings.Trim(u.Path, "/"), ".git")
	}
	user, path, found := strings.Cut(origin, ":")
	if !found || strings.Contains(user, "/") {
		return "", ""
	}
	return user[strings.LastIndex(user, "@")+1:], strings.TrimSuffix(strings.Trim(path, "/"), ".git")
}

// withoutLogin is an origin that may be printed.
func withoutLogin(origin string) string {
	u, err := url.Parse(origin)
	if err != nil || u.User == nil {
		return origin
	}
	u.User = nil
	return u.String()
}

// gitSays is a value of the repository's configuration, empty for none.
func gitSays(ctx context.Context, root, key string) string {
	out, err := tool.Command{Name: "git", Args: []string{"config", "--get", key}, Dir: root, Env: tool.GitEnviron()}.Output(ctx)
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(out))
}

func printReport(a *app.App, r doctor.Report) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(r)
	}
	var b strings.Builder
	hidden := 0
	for _, f := range r {
		if f.State == doctor.OK && !a.Verbose {
			hidden++
			continue
		}
		fmt.Fprintf(&b, "%-8s %s: %s: %s\n", f.State, f.Area, f.Check, f.Says)
		if f.Why != "" && f.State != doctor.OK {
			fmt.Fprintf(&b, "         why: %s\n", f.Why)
		}
		for _, m := range f.Mend {
			fmt.Fprintf(&b, "         mend: %s\n", m)
		}
	}
	if hidden > 0 {
		fmt.Fprintf(&b, "%d more %s fine (-v lists all)\n", hidden, map[bool]string{true: "is", false: "are"}[hidden == 1])
	}
	_, err := fmt.Fprint(a.Out, b.String())
	return err
}
