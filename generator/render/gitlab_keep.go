package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// GitLab stops the older pipelines of a branch when a commit comes, unless a
// job that may not be interrupted has begun in them. It asks that of a child
// pipeline, too, apart from its parent. Where a rule can say that a pipeline is
// kept, those of some events are. Where none can, the first job of each pipeline
// is one that is not interrupted: the requests that are overtaken run to their
// end, too.

// keeps tells whether a rule says that no newer commit stops the pipelines of
// an event.
func (g *gitlab) keeps(e pipeline.Event) bool {
	return model.KeepsByRule(g.p.GitLab) && !pipeline.Superseded(e)
}

// finish lets the first job of a pipeline that must be kept run to its end. It
// says so beside the rules of the file that GitLab reads first, which may be a
// person's own.
func (g *gitlab) finish(first *glJob) {
	if !model.KeepsByRule(g.p.GitLab) {
		first.Interruptible = &boolean{false}
		return
	}
	for i := range first.Rules {
		first.Rules[i].Finish = g.keeps(first.Rules[i].event)
	}
}

// keepChild says to the pipeline that a job starts whether it must be kept.
func (g *gitlab) keepChild(rules []rule) {
	for i := range rules {
		if g.keeps(rules[i].event) {
			rules[i].Variables = append(rules[i].Variables, pair{string(pipeline.VarKeep), "true"})
		}
	}
}

// childRules are those of the pipeline that keepChild speaks to.
func (g *gitlab) childRules() []rule {
	rules := []rule{{When: "always"}}
	if model.KeepsByRule(g.p.GitLab) {
		rules = append([]rule{{If: "$" + string(pipeline.VarKeep) + ` == "true"`, Keep: true}}, rules...)
	}
	return rules
}
