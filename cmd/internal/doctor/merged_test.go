package doctor_test

import (
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

func TestTheJobThatFinishesPromotions(t *testing.T) {
	t.Parallel()
	const workflow, include = ".github/workflows/rootfsgen-merged.yml", ".gitlab-ci.yml"
	for name, c := range map[string]struct {
		forge string
		files map[string]string
		err   error
		state doctor.State
		mend  string
	}{
		"on GitHub":           {forge.GitHub, map[string]string{"main:" + workflow: "a", "ch:" + workflow: "a"}, nil, doctor.OK, ""},
		"older on GitHub":     {forge.GitHub, map[string]string{"main:" + workflow: "b", "ch:" + workflow: "a"}, nil, doctor.Warn, "checkout origin/main -- " + workflow},
		"not on GitHub":       {forge.GitHub, map[string]string{"main:" + workflow: "a"}, nil, doctor.Fail, "push origin HEAD:ch\ngit worktree remove ../rootfsgen-channels"},
		"twice on GitHub":     {forge.GitHub, map[string]string{"main:" + workflow: "a"}, nil, doctor.Fail, "git worktree add --detach ../rootfsgen-channels origin/ch"},
		"on GitLab":           {forge.GitLab, map[string]string{"ch:" + include: "a"}, nil, doctor.OK, ""},
		"not on GitLab":       {forge.GitLab, map[string]string{"main:" + include: "a"}, nil, doctor.Fail, "project: acme/images, ref: main, file: .gitlab-ci.yml}"},
		"not to be looked at": {forge.GitHub, nil, errors.New("no right"), doctor.Unknown, ""},
	} {
		r, f := good(c.forge)
		f.Settings.Channels.Promotion, f.Settings.ChannelBranch = model.PromotionRequest, "ch"
		r.files, r.err = c.files, c.err
		all := f.Look(t.Context())
		i := slices.IndexFunc(all, func(x doctor.Finding) bool { return x.Check == "finishing promotions" })
		if i < 0 {
			t.Errorf("%s: not looked at", name)
			continue
		}
		if x := all[i]; x.State != c.state || !strings.Contains(strings.Join(x.Mend, "\n"), c.mend) || x.Why == "" || (x.State == doctor.OK) != (x.Mend == nil && x.State != doctor.Unknown) {
			t.Errorf("%s: %+v", name, x)
		}
	}
}
