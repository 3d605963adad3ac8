package render

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// notInForks keeps what starts by itself out of the copies of a repository,
// unless their owner wants it there.
const notInForks = " && (!github.event.repository.fork || vars.ROOTFSGEN_SCHEDULE == 'true')"

// lock has one run at a time: what a run that waits would find, the one that
// takes its place finds, too.
func (g *github) lock() *workflow {
	j := g.job(pipeline.Lock, "lock", "lock")
	j.If = g.onBranch(notInForks)
	j.Environment = "lock" // may keep the token to the default branch
	return &workflow{
		About: []string{
			"Looks images.lock up anew, and offers what moved as a pull request.",
			"Without a secret ROOTFSGEN_FORGE_TOKEN the request starts no workflow before somebody closes and opens it.",
		},
		Name: "rootfsgen lock", On: triggers{Schedule: []string{g.p.Triggers.Schedule.Lock}},
		Concurrency: &concurrency{Group: "rootfsgen-lock"}, Shell: true,
		Jobs: []ghJob{j},
	}
}

// bases has one run at a time, for the same reason.
func (g *github) bases() *workflow {
	cond := g.onBranch(notInForks)
	jobs := g.chain(pipeline.ScheduleBases, cond, pair{"force", "bases"})
	check := &jobs[len(jobs)-1]
	check.If = "${{ always() && " + expr(strings.TrimPrefix(string(cond), "${{ "))
	return &workflow{
		About: []string{"Builds anew what is built from no other image, and what comes out different on it, as a new generation."},
		Name:  "rootfsgen bases", On: triggers{Schedule: []string{g.p.Triggers.Schedule.Bases}},
		Concurrency: &concurrency{Group: "rootfsgen-bases"}, Shell: true,
		Jobs: jobs,
	}
}

// rescan has one run at a time: what a run that waits would find, the one that
// takes its place finds, too.
func (g *github) rescan() *workflow {
	j := g.job(pipeline.Rescan, "rescan", "rescan")
	j.If = g.onBranch(notInForks)
	return &workflow{
		About: []string{"Judges what prod runs by the findings and the policy of the day; an issue says what blocks, and is closed when nothing does."},
		Name:  "rootfsgen rescan", On: triggers{Schedule: []string{g.p.Triggers.Schedule.Rescan}},
		Concurrency: &concurrency{Group: "rootfsgen-rescan"}, Shell: true,
		Jobs: []ghJob{j},
	}
}
