package doctor

import (
	"context"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// everybodyOutside is GitHub's word for the rule that nobody outside starts
// anything without approval.
const everybodyOutside = "all_external_contributors"

// outsiders looks whose requests from forks start workflows by themselves. A
// request brings its own workflows, which may name machines of ours.
func (f *Forge) outsiders(ctx context.Context, r *forge.Repository) Report {
	if !f.github() || r.Private {
		return nil
	}
	x := Finding{Area: f.Name, Check: "outside contributors", State: OK, Says: "their requests wait for approval", Why: "the request of a fork brings workflows of its own, and those may name your machines"}
	who, err := f.Setup.Outsiders(ctx)
	switch {
	case err != nil:
		x = unseen(x, err)
	case who != everybodyOutside:
		x.State, x.Says = Warn, "only some wait for approval: "+who
		x.Mend = f.mend("gh api -X PUT repos/@PROJECT@/actions/permissions/fork-pr-contributor-approval -f approval_policy="+everybodyOutside, "")
	}
	return Report{x}
}
