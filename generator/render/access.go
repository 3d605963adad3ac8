package render

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// token lets a job ask GitHub for a token that says which job it is. The token
// gives no right on GitHub.
var token = permission{"id-token", "write", "to prove to the registry which job this is"}

// loginIn is the login of a job of a workflow that an event starts: the secret
// of the first of the scopes that has one, else the one of all scopes. Empty is
// a secret that is not set.
func loginIn(scopes ...string) expr {
	var names strings.Builder
	for _, scope := range scopes {
		names.WriteString("secrets." + model.RegistryAuthOf(scope) + " || ")
	}
	return expr("${{ " + names.String() + "secrets." + model.RegistryAuth + " }}")
}

// loginOf is the login of a job of one kind. What a called workflow pushes with
// is chosen by its caller.
func loginOf(kind pipeline.Kind) expr {
	if scopes := pipeline.Scopes(kind); len(scopes) == 1 {
		return loginIn(scopes...)
	}
	return loginIn()
}

// imageScopes are those that the workflows of an image may be called for.
var imageScopes = pipeline.Scopes(pipeline.Build)

// loginSecrets are the secrets that a workflow for these scopes may be handed
// to log in with.
func (g *github) loginSecrets(scopes ...string) []secret {
	all := []secret{{model.RegistryAuth, "Logins of the registries, the text of a Docker config.json"}}
	for _, name := range g.p.LoginSecrets(scopes...) {
		all = append(all, secret{name, "Login of a registry, user:password"})
	}
	return all
}

// logins hands them on to the workflows of an image.
func (g *github) logins() []pair { return handOn(g.loginSecrets(imageScopes...)) }

// fleetLogins hands to the jobs of all images the logins of the scope that an
// event writes to, and, but in a request, of those that only look, and no other.
func (g *github) fleetLogins(e pipeline.Event) []pair {
	scope := pipeline.Scope(e)
	wanted := append(g.p.LoginSecrets(model.ScopeRead, scope), g.buildSecrets()...)
	other := func(p pair) bool {
		if scope == model.ScopePR && p.Name == model.RegistryAuthOf(model.ScopeRead) {
			return true // its planning job may run the request's own programs
		}
		return slices.Contains(g.p.LoginSecrets(), p.Name) && !slices.Contains(wanted, p.Name)
	}
	all := slices.DeleteFunc(handOn(g.fleetSecrets()), other)
	for i := range all {
		if all[i].Name == model.RegistryAuth {
			all[i].Value = loginIn(scope)
		}
	}
	return all
}

// handOn hands secrets on, each by name. Workflows are never handed all secrets;
// one that is not set is an empty text.
func handOn(secrets []secret) []pair {
	var all []pair
	for _, s := range secrets {
		all = append(all, pair{s.Name, expr("${{ secrets." + s.Name + " }}")})
	}
	return all
}

// findings lets a job hand to GitHub what scanners found.
var findings = permission{"security-events", "write", "to show what scanners found beside the code"}

// calling are the permissions of a job that calls a workflow of the images: a
// workflow has no more than its caller gives it.
func (g *github) calling(kinds ...pipeline.Kind) []permission {
	all := slices.Clone(read)
	if slices.ContainsFunc(kinds, func(k pipeline.Kind) bool { return g.p.Fixed[k].Token }) {
		all = append(all, token)
	}
	if slices.ContainsFunc(kinds, func(k pipeline.Kind) bool { return g.p.Fixed[k].Findings }) {
		all = append(all, findings)
	}
	return all
}

// fixed are the variables of a step that are the same whenever it runs.
func fixed(s *pipeline.Step) []pair {
	var all []pair
	for _, v := range s.Values {
		all = append(all, pair{string(v.Name), v.Text})
	}
	return all
}
