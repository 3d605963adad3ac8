package pipeline

import "github.com/rootfsgen/rootfsgen/generator/model"

// Unpublished is what a pipeline says that has nowhere to push to. It is no
// failure: a repository has its pipelines before it has a registry.
const Unpublished = "nothing is published: " + RegistryHint

// Published is the part of a plan that jobs carry out: all of it, or nothing
// where its scope has no registry, as no job could hand what it built to
// another.
func Published(plan *model.Plan) *model.Plan {
	if plan.Prefix != "" {
		return plan
	}
	inert := *plan
	inert.Entries, inert.Indexes = nil, nil
	return &inert
}
