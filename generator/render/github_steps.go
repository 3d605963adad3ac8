package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

var (
	read  = []permission{{"contents", "read", "to check out"}}
	write = []permission{{"contents", "write", "to push the channel branch"}}
	tell  = []permission{{"contents", "read", "to check out"}, {"issues", "write", "to say what blocks in what prod runs"}}
	offer = []permission{{"contents", "write", "to push the branch that is offered"}, {"pull-requests", "write", "to open the request"}}
)

// job writes down one of the jobs that do not depend on an image.
func (g *github) job(kind pipeline.Kind, id string, name any) ghJob {
	src := g.p.Fixed[kind]
	j := ghJob{ID: id, Name: name, RunsOn: g.p.Runners[src.Runner].GitHub, Minutes: src.Minutes, Environment: src.Environment}
	switch {
	case kind == pipeline.Watchdog:
		j.Permissions = rerun
	case kind == pipeline.Lock:
		j.Permissions = offer
		if g.p.Counted {
			j.Permissions = append(slices.Clone(offer), permission{"actions", "read", "to see what came of the last offer"}, permission{"checks", "read", "to tell what was lost from what failed"})
		}
	case kind == pipeline.Comment:
		j.Permissions = comments
	case kind == pipeline.Rescan:
		j.Permissions = tell
	case src.Push:
		j.Permissions = write
	case kind != pipeline.Result:
		j.Permissions = read
	}
	if src.Token {
		j.Permissions = append(slices.Clone(j.Permissions), token)
	}
	if src.Requests {
		j.Permissions = append(slices.Clone(j.Permissions), permission{"pull-requests", "write", "to offer the promotion as a request"})
	}
	if src.Findings {
		j.Permissions = append(slices.Clone(j.Permissions), findings)
	}
	j.surround(g.p.Runners[src.Runner])
	for i := range src.Steps {
		j.Steps = append(j.Steps, g.step(kind, &src.Steps[i]))
	}
	return j
}

func (g *github) step(kind pipeline.Kind, s *pipeline.Step) ghStep {
	out := ghStep{Name: s.Name}
	uses := func(action string, with ...pair) {
		pin := g.pins[action]
		out.Uses, out.With = &pin, with
	}
	switch s.Verb {
	case pipeline.Checkout:
		depth := 1
		if s.History {
			depth = 0
		}
		if s.Branch != "" {
			out.With = []pair{{"ref", s.Branch}}
		}
		uses(actionCheckout, append(out.With, pair{"fetch-depth", depth}, pair{"persist-credentials", false})...)
	case pipeline.SetupGo:
		uses(actionSetupGo, pair{"go-version-file", "go.mod"}, pair{"cache", false})
	case pipeline.Save:
		missing := "error"
		if s.Artifact.Report {
			missing = "ignore"
			out.If = "${{ !cancelled() }}"
		}
		uses(actionUpload, pair{"name", artifactName(s.Artifact)}, pair{"path", s.Artifact.Path},
			pair{"if-no-files-found", missing}, pair{"retention-days", s.Artifact.Days})
		if overwrites(*out.Uses) {
			out.With = append(out.With, pair{"overwrite", true})
		}
	case pipeline.Fetch:
		uses(actionDownload, pair{"name", artifactName(s.Artifact)}, pair{"path", s.Artifact.Folder})
	case pipeline.Outputs:
		out.ID = "outputs"
		out.Run = pipeline.OutputsScript(g.p, pipeline.GitHub)
	case pipeline.Run:
		out.Run = s.Script
		if s.Anyway {
			out.If = "${{ !cancelled() }}"
		}
	}
	for _, v := range s.Vars {
		out.Env = append(out.Env, pair{string(v), variable(kind, v)})
	}
	out.Env = append(out.Env, fixed(s)...)
	for _, name := range append(slices.Clone(s.Keys), s.Secrets...) {
		out.Env = append(out.Env, pair{name, expr("${{ secrets." + name + " }}")})
	}
	return out
}

// artifactName keeps images and the legs of a matrix apart.
func artifactName(a pipeline.Artifact) any {
	switch a.Per {
	case pipeline.PerImage:
		return expr("${{ format('" + a.Name + "-{0}', inputs.image) }}")
	case pipeline.PerLeg:
		return expr("${{ format('" + a.Name + "-{0}-{1}', inputs.image, matrix.arch) }}")
	}
	return a.Name
}

// variable says where a script's variable comes from.
func variable(kind pipeline.Kind, v pipeline.Var) any {
	if kind == pipeline.Fork {
		switch v {
		case pipeline.VarScope:
			return model.ScopePR
		case pipeline.VarSnapshot:
			return requestID
		}
	}
	if v == pipeline.VarForgeToken && kind != pipeline.Lock { // which offers in the name of somebody
		return expr("${{ github.token }}")
	}
	if v == pipeline.VarSnapshot && kind == pipeline.Purge {
		return requestID
	}
	return map[pipeline.Var]expr{
		pipeline.VarImage:      "${{ inputs.image }}",
		pipeline.VarTarget:     "${{ inputs.target }}",
		pipeline.VarPlatform:   "${{ matrix.platform }}",
		pipeline.VarArch:       "${{ matrix.arch }}",
		pipeline.VarDevice:     "${{ matrix.device || '' }}",
		pipeline.VarScope:      "${{ inputs.scope }}",
		pipeline.VarSnapshot:   "${{ inputs.snapshot-id }}",
		pipeline.VarFrom:       "${{ inputs.from }}",
		pipeline.VarImages:     "${{ inputs.images }}",
		pipeline.VarPlatforms:  "${{ inputs.platforms }}",
		pipeline.VarForce:      "${{ inputs.force }}",
		pipeline.VarRequest:    "${{ github.event.pull_request.number }}",
		pipeline.VarTag:        "${{ github.ref_name }}",
		pipeline.VarRun:        "${{ github.event.workflow_run.id }}",
		pipeline.VarResults:    "${{ join(needs.*.result, ' ') }}",
		pipeline.VarToken:      "${{ github.token }}",
		pipeline.VarForgeToken: "${{ secrets.ROOTFSGEN_FORGE_TOKEN }}",
		pipeline.VarLogin:      loginOf(kind),
	}[v]
}
