package runcmd

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/scan/local"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// The variables that say where the local scanner's database is, for the
// commands that scan by the way.
const (
	scanDBVariable  = "ROOTFSRUN_SCAN_DB"     // folder, which is used as it is
	scanURLVariable = "ROOTFSRUN_SCAN_DB_URL" // of a mirror of the database
)

// freshFor is how old the database in our own folder may be before a newer one
// is asked for.
const freshFor = 24 * time.Hour

// scanning is what scanners are made of.
type scanning struct {
	db       string    // folder of the database; empty: the variable's, or one below .cache
	sources  []string  // that are asked, instead of those that the policy asks for
	readOnly bool      // nothing is written to the registry
	vex      *scan.VEX // statements that count; nil: those of the work tree
	anew     *anew     // nil: the lists and scans that lie beside an image are believed
}

func (o *scanning) flags(cmd *cobra.Command) {
	f := cmd.Flags()
	f.StringVar(&o.db, "db", "", "`folder` of the local scanner's database, used as it is (default: $"+scanDBVariable+", or .cache/scandb, kept up to date)")
	f.StringArrayVar(&o.sources, "source", nil, "ask this `source` alone, instead of those of the policy; may be repeated")
	f.BoolVar(&o.readOnly, "read-only", false, "write nothing to the registry")
	app.Values(cmd, "source", model.SourceArtifactAnalysis, model.SourceLocal)
	_ = cmd.MarkFlagDirname("db") // the flag is there
}

// narrowed is the policy with the sources that were named on the command line,
// each of them required.
func (o *scanning) narrowed(p model.Policy) (model.Policy, error) {
	if len(o.sources) == 0 {
		return p, nil
	}
	var sources []model.PolicySource
	for _, name := range o.sources {
		if name != model.SourceArtifactAnalysis && name != model.SourceLocal {
			return p, app.Fail(app.ExitUsage, fmt.Errorf("unknown --source %q: expected %s or %s", name, model.SourceArtifactAnalysis, model.SourceLocal))
		}
		s := model.PolicySource{Name: name}
		if n := slices.IndexFunc(p.Sources, func(s model.PolicySource) bool { return s.Name == name }); n >= 0 {
			s = p.Sources[n]
		}
		s.Required = model.RequiredAlways
		sources = append(sources, s)
	}
	p.Sources = sources
	return p, nil
}

// step is a scan of what a policy asks for: its scanners, the statements of the
// repository, and where scans are kept. Close the scanners.
func (o *scanning) step(ctx context.Context, a *app.App, c *registry.Client, p model.Policy, requests []scan.Request) (scan.Step, func() error, error) {
	none := func() error { return nil }
	p, err := o.narrowed(p)
	if err != nil {
		return scan.Step{}, none, err
	}
	root, err := a.Root()
	if err != nil {
		return scan.Step{}, none, err
	}
	s := scan.Step{Policy: p}
	if o.vex != nil {
		s.VEX = *o.vex
	} else if s.VEX, err = scan.LoadVEX(os.DirFS(root)); err != nil {
		return s, none, err
	}
	if !o.readOnly {
		s.Store = o.anew.store(c)
	}
	end := none
	for _, source := range p.Sources {
		switch {
		case source.Name == model.SourceLocal:
			l, err := o.local(a, c, source, p.State.MaxAge, source.Required == model.RequiredUnsupported && !slices.ContainsFunc(requests, notInGoogle))
			if err != nil {
				return s, end, errors.Join(err, end())
			}
			s.Sources = append(s.Sources, l)
		case source.Name == model.SourceArtifactAnalysis && (source.Required == model.RequiredAlways || slices.ContainsFunc(requests, inGoogle)):
			g, closed, err := artifactAnalysis(a, c, source, p.State.MaxAge)
			if err != nil {
				return s, end, err
			}
			s.Sources, end = append(s.Sources, g), closed
		}
	}
	return s, end, nil
}

func notInGoogle(r scan.Request) bool { return !inGoogle(r) }

func inGoogle(r scan.Request) bool {
	host, _, _ := strings.Cut(r.Repo, "/")
	return login.IsGoogle(host)
}

// local is the scanner of this machine; spare is one that may not be needed, so
// that its program may be missing until it is. Its database is brought up to
// date before the first scan, where it is ours.
func (o *scanning) local(a *app.App, c *registry.Client, p model.PolicySource, maxAge time.Duration, spare bool) (*local.Source, error) {
	cache, err := a.Cache()
	if err != nil {
		return nil, err
	}
	paths, err := tools.FindAll(filepath.Join(cache, "bin"), "grype", "syft")
	if err != nil && spare {
		paths, err = []string{"grype", "syft"}, nil
	}
	if err != nil {
		return nil, err
	}
	db, own, err := o.database(a)
	if err != nil {
		return nil, err
	}
	s := local.Options{
		Grype: paths[0], DB: db, MaxAge: maxAge, Timeout: p.Timeout, Log: a.Log,
		SBOM: o.anew.lister(c, paths[1], o.readOnly),
	}
	if c != nil {
		s.Store = o.anew.store(c)
	}
	if own {
		s.Prepare = func(ctx context.Context) { o.refresh(ctx, a, paths[0], db, maxAge) }
	}
	return local.New(s), nil
}

// refresh fetches a newer database than one that is a day old, or older than
// the policy allows. That there is none to be had is a warning: what there is
// may be young enough for the policy, and the scans will say if it is not.
func (o *scanning) refresh(ctx context.Context, a *app.App, grype, db string, maxAge time.Duration) {
	if local.Built(ctx, grype, db).After(time.Now().Add(-min(freshFor, maxAge))) {
		return
	}
	a.Log.Info("bringing the database of vulnerabilities up to date")
	if err := local.Update(ctx, grype, db, a.Env(scanURLVariable)); err != nil && ctx.Err() == nil {
		a.Log.Warn(err.Error())
	}
}

// database is the folder of the database, and whether it is our own to fill.
func (o *scanning) database(a *app.App) (dir string, own bool, err error) {
	if dir = cmp.Or(o.db, a.Env(scanDBVariable)); dir != "" {
		dir, err = filepath.Abs(dir)
		return dir, false, err
	}
	cache, err := a.Cache()
	if err != nil {
		return "", false, err
	}
	dir, err = filepath.Abs(filepath.Join(cache, "scandb"))
	return dir, true, err
}
