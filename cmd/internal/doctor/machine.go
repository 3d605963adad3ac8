package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// Machine is what this machine has.
type Machine struct {
	Tools   []tools.Tool
	Root    bool   // this process may do what root may
	Builder string // BUILDKIT_HOST
}

// Look tells what a build on this machine would lack.
func (m Machine) Look() Report {
	var r Report
	for _, t := range m.Tools {
		x := Finding{Area: "machine", Check: t.Name, State: OK, Says: strings.TrimSpace(t.Version + " " + t.Path), Why: t.Use}
		if t.Path == "" {
			x.State, x.Says, x.Mend = Warn, "it is not on this machine", []string{t.Get}
			if t.Name == "git" {
				x.State = Fail
			}
		}
		r = append(r, x)
	}
	x := Finding{Area: "machine", Check: "BuildKit", State: OK, Says: "BUILDKIT_HOST is " + m.Builder, Why: "images are built with it"}
	switch {
	case m.Builder != "":
	case m.Root:
		x.Says = "this machine may start one"
	default:
		x.State, x.Says = Warn, "BUILDKIT_HOST is not set, and starting a buildkitd needs root"
		x.Mend = []string{"sudo --preserve-env rootfsrun services start", "export BUILDKIT_HOST=tcp://<a machine that has one>:1234"}
	}
	return append(r, x)
}

// Repository is what git says of the checkout.
type Repository struct {
	Shallow bool
	Partial bool
	Origin  string // address, empty for none
}

// Look tells what planning would lack.
func (p Repository) Look() Report {
	history := Finding{Area: "repository", Check: "history", State: OK, Says: "it is whole", Why: "a plan compares with earlier commits and tags"}
	switch {
	case p.Shallow:
		history.State, history.Says = Fail, "the clone is shallow"
		history.Mend = []string{"git fetch --unshallow --tags --filter=blob:none"}
	case p.Partial:
		history.Says = "it is whole; contents are fetched when they are needed"
	}
	origin := Finding{Area: "repository", Check: "origin", State: OK, Says: p.Origin, Why: "it says which repository of which forge this is"}
	if p.Origin == "" {
		origin.State, origin.Says = Warn, "there is no remote called origin"
		origin.Mend = []string{"git remote add origin <address>"}
	}
	return Report{history, origin}
}

// Fleet looks at the settings.
func Fleet(s *model.Settings) Report {
	r := Report{programs(s)}
	var missing []string
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if s.Registry.Prefix(scope) == "" {
			missing = append(missing, scope)
		}
	}
	x := Finding{Area: "fleet", Check: "registry", State: OK, Says: "each scope has its own", Why: "pipelines push there, and publish nothing before it is set"}
	if len(missing) > 0 {
		x.State, x.Says = Warn, "not set for "+strings.Join(missing, ", ")
		x.Mend = []string{"write into rootfsgen.yaml: registry: {pr: HOST/pr, testing: HOST/testing, prod: HOST/prod}"}
	}
	r = append(r, x)
	if s.Identity.Google.Set() {
		r = append(r, accounts(s))
	}
	return r
}

// Lock says whether images.lock has all that the fleet needs of it; missing
// are those that it lacks.
func Lock(missing []string) Finding {
	x := Finding{Area: "fleet", Check: "images.lock", State: OK, Says: "nothing is missing", Why: "CI refuses outside images and packages that are not in it"}
	if len(missing) == 0 {
		return x
	}
	x.State, x.Says, x.Mend = Fail, missing[0]+" is not in it", []string{"rootfsgen lock"}
	if more := len(missing) - 1; more > 0 {
		x.Says = fmt.Sprintf("%s and %d more are not in it", missing[0], more)
	}
	return x
}

func programs(s *model.Settings) Finding {
	x := Finding{Area: "fleet", Check: "programs", State: OK, Why: "jobs run rootfsgen and rootfsrun"}
	switch s.Runtime {
	case model.RuntimeRelease:
		x.Says = "release " + s.Programs.Version + ", by SHA-256"
	case model.RuntimeSource:
		x.Says = "compiled from this repository"
	default:
		x.State, x.Says = Warn, "they must be on the machines, in whatever version"
		x.Mend = []string{"rootfsgen lock --programs VERSION && rootfsgen generate"}
	}
	return x
}

// accounts looks for scopes whose jobs would be nobody.
func accounts(s *model.Settings) Finding {
	x := Finding{Area: "fleet", Check: "identity", State: OK, Says: "each scope has an account", Why: "jobs log in as it, without a key"}
	var missing []string
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if s.Registry.Prefix(scope) != "" && s.Identity.Google.Accounts[scope] == "" {
			missing = append(missing, scope)
		}
	}
	switch {
	case len(missing) > 0:
		x.State, x.Says = Fail, "no account for "+strings.Join(missing, ", ")
	case s.Identity.Google.Accounts[model.ScopeRead] == "":
		x.State, x.Says = Warn, "no account \"read\": the planning job cannot look into a private registry"
		missing = []string{model.ScopeRead}
	default:
		return x
	}
	slices.Sort(missing)
	x.Mend = []string{fmt.Sprintf("gcloud iam service-accounts create rootfs-%s, then name it under identity.google.accounts: docs/guide/identity.md", missing[0])}
	return x
}
