package render

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// An image whose builds mount secrets has jobs that no other image shares: on
// GitHub a workflow of its own, which names the secrets and is handed no other,
// and on both forges an environment of its own, which may hold them.

// environmentOf is that environment. What belongs to it reaches the builds of
// this image and nothing else.
func environmentOf(i *pipeline.Image) string { return "image-" + i.ID }

// buildFile is the workflow that builds an image.
func buildFile(i *pipeline.Image) string {
	if len(i.Secrets) == 0 {
		return ghBuild
	}
	return strings.TrimSuffix(ghBuild, ".yml") + "-" + i.ID + ".yml"
}

// imageSecrets are what the build of an image may be handed.
func (g *github) imageSecrets(i *pipeline.Image) []secret {
	return alsoBuilds(g.loginSecrets(imageScopes...), i.Secrets)
}

// alsoBuilds adds the secrets of builds that are not there yet.
func alsoBuilds(all []secret, names []string) []secret {
	for _, name := range names {
		if !slices.ContainsFunc(all, func(s secret) bool { return s.Name == name }) {
			all = append(all, secret{name, "Secret of a build"})
		}
	}
	return all
}

// fleetSecrets are what the workflow of all images may be handed, to hand it
// on.
func (g *github) fleetSecrets() []secret {
	looks := secret{model.RegistryAuthOf(model.ScopeRead), "The same for the job that plans, which only looks"}
	logins := g.loginSecrets(append([]string{model.ScopeRead}, imageScopes...)...)
	return alsoBuilds(slices.Insert(logins, 1, looks), g.buildSecrets())
}

// buildSecrets are those that the builds of any image mount, sorted.
func (g *github) buildSecrets() []string {
	var all []string
	for i := range g.p.Images {
		all = append(all, g.p.Images[i].Secrets...)
	}
	slices.Sort(all)
	return all
}

// secretBuilds are the workflows of the images whose builds mount secrets, by
// path.
func (g *github) secretBuilds() map[string]*workflow {
	all := map[string]*workflow{}
	for i := range g.p.Images {
		if img := &g.p.Images[i]; len(img.Secrets) > 0 {
			all[buildFile(img)] = g.secretBuild(img)
		}
	}
	return all
}

// secretBuild is the workflow of every image, with the secrets of one.
func (g *github) secretBuild(i *pipeline.Image) *workflow {
	w := g.build()
	w.About = []string{
		"Builds and tests the image " + i.ID + ", whose builds mount secrets: nothing else is handed them.",
		"They may be secrets of the environment " + environmentOf(i) + ", or of the repository.",
	}
	w.Name += " " + i.ID
	w.On.Secrets = g.imageSecrets(i)
	for n := range w.Jobs {
		j := &w.Jobs[n]
		if j.ID != string(pipeline.Build) {
			continue // tests know no secret
		}
		j.Environment = environmentOf(i)
		for s := range j.Steps {
			if step := &j.Steps[s]; step.Name == pipeline.BuildStep {
				step.Env = append(step.Env, missing(step.Env, handOn(w.On.Secrets))...)
			}
		}
	}
	return w
}

// missing are the pairs of secrets that the step does not have yet, the login
// of the registry left out, which has a name of its own there.
func missing(env, secrets []pair) []pair {
	return slices.DeleteFunc(secrets, func(p pair) bool {
		return p.Name == model.RegistryAuth || slices.ContainsFunc(env, func(e pair) bool { return e.Name == p.Name })
	})
}

// keepSecretsOf gives a job of an image the environment that its secrets
// belong to.
func (j *glJob) keepSecretsOf(i *pipeline.Image) {
	if len(i.Secrets) > 0 {
		j.Environment, j.Access = environmentOf(i), true
	}
}
