package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// secretLogin is the secret that may hold logins of registries. Workflows hand
// it on by name and never all secrets; one that is not set is an empty text.
const secretLogin = "ROOTFSGEN_REGISTRY_AUTH"

// token lets a job ask GitHub for a token that says which job it is. The token
// gives no right on GitHub.
var token = permission{"id-token", "write", "to prove to the registry which job this is"}

// loginSecrets are the secrets that a workflow of the images may be handed.
func (g *github) loginSecrets() []secret {
	all := []secret{{secretLogin, "Logins of the registries, the text of a Docker config.json"}}
	for _, name := range g.p.LoginSecrets() {
		all = append(all, secret{name, "Login of a registry, user:password"})
	}
	return all
}

// logins hands them on.
func (g *github) logins() []pair { return handOn(g.loginSecrets()) }

// handOn hands secrets on, each by name.
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
