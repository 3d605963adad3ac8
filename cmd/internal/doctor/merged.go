package doctor

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// gitlabFile is what GitLab starts a branch's pipeline from.
const gitlabFile = ".gitlab-ci.yml"

// merged looks for the job that finishes a promotion: a forge starts what the
// branch of the channels itself holds, which nothing writes there but a person.
func (f *Forge) merged(ctx context.Context) Finding {
	branch, file := f.Settings.ChannelBranch, gitlabFile
	if f.github() {
		file = render.MergedWorkflow
	}
	x := Finding{
		Area: f.Name, Check: "finishing promotions", State: OK, Says: file + " is on " + branch,
		Why: "merging a request promotes, and a job on that branch verifies what was merged and moves the floating tags",
	}
	there, err := f.Setup.File(ctx, branch, file)
	switch {
	case errors.Is(err, forge.ErrAbsent):
		return f.copyMerged(x, file, Fail, fmt.Sprintf("%s is not on %s: nothing happens when a request is merged", file, branch))
	case err != nil:
		return unseen(x, err)
	case !f.github():
		return x
	}
	here, err := f.Setup.File(ctx, f.Settings.DefaultBranch, file)
	switch {
	case err != nil && !errors.Is(err, forge.ErrAbsent):
		return unseen(x, err)
	case !bytes.Equal(here, there):
		return f.copyMerged(x, file, Warn, fmt.Sprintf("%s on %s is another than on %s", file, branch, f.Settings.DefaultBranch))
	}
	return x
}

// beside is the worktree that the job is written into: the branch of the
// channels ignores nothing, so no file of the checkout may be in reach of it.
const beside = "../rootfsgen-channels"

// copyMerged says how the job comes to the branch of the channels.
func (f *Forge) copyMerged(x Finding, file string, state State, says string) Finding {
	main, branch := f.Settings.DefaultBranch, f.Settings.ChannelBranch
	x.State, x.Says = state, says
	in := "git -C " + beside + " "
	write := fmt.Sprintf("printf 'include:\\n  - {project: %s, ref: %s, file: %s}\\n' > %s/%s && %sadd -- %s", f.Project, main, file, beside, file, in, file)
	if f.github() {
		write = in + "checkout origin/" + main + " -- " + file
	}
	x.Mend = []string{
		"git fetch origin && git worktree add --detach " + beside + " origin/" + branch,
		write,
		in + "commit --message 'Finish promotions' -- " + file,
		in + "push origin HEAD:" + branch,
		"git worktree remove " + beside,
	}
	return x
}
