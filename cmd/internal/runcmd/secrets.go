package runcmd

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// withoutSecrets is the plan without the targets whose builds need secrets and
// what is built from them, and says which these are: a stranger's request is
// given no secrets, and is not wrong for that. What the registry has already
// needs none.
func withoutSecrets(a *app.App, p *model.Plan) *model.Plan {
	needs := map[model.TargetID]bool{}
	for i := range p.Entries {
		e := &p.Entries[i]
		needs[e.ID()] = e.Recipe != nil && len(e.Recipe.Secrets) > 0 && e.Steps[model.StepBuild] != model.StepDone
	}
	rest := walk.Narrow(p, nil, func(id model.TargetID) bool { return needs[id] })
	kept := map[model.TargetID]bool{}
	for i := range rest.Entries {
		kept[rest.Entries[i].ID()] = true
	}
	var names []string
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action != model.ActionRetire && !kept[e.ID()] {
			names = append(names, e.ID().Node())
		}
	}
	if names = slices.Compact(slices.Sorted(slices.Values(names))); len(names) > 0 {
		var list diag.List
		list.Warnf("needs-secrets", diag.Pos{}, "", "not built here, because a build of them or below them needs secrets: %s", strings.Join(names, ", "))
		a.PrintDiagnostics(list)
	}
	return rest
}
