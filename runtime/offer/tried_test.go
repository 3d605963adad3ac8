package offer_test

import (
	"context"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/gitremote"
	"github.com/rootfsgen/rootfsgen/runtime/offer"
)

// tried are the runs of each commit.
type tried map[string][]*forge.Run

func (r tried) Tried(_ context.Context, commit string) ([]*forge.Run, error) { return r[commit], nil }

// TestTry reads what was offered and what came of it on either forge.
func TestTry(t *testing.T) {
	t.Parallel()
	d := newDesk(t)
	try := func(runs tried) *offer.Tried {
		t.Helper()
		got, err := offer.Try(t.Context(), &gitremote.Remote{Dir: d.Dir}, runs, branch, "images.lock")
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if d := cmp.Diff(&offer.Tried{Failed: []string{}}, try(nil)); d != "" {
		t.Errorf("nothing is offered (-want +got):\n%s", d)
	}
	d.Write(map[string]string{"images.lock": "two\n"})
	d.must()
	tip := d.tip()
	if got := try(nil); got.Commit != tip || string(got.File) != "two\n" || len(got.Failed) > 0 {
		t.Errorf("nothing ran yet: %+v", got)
	}
	step := []forge.Step{{Name: "Build", Conclusion: forge.Failure}}
	got := try(tried{tip: {
		{Forge: forge.GitHub, Done: true, Jobs: []forge.Job{
			{Name: "fleet / build python3.13 / linux/amd64", Conclusion: forge.Failure, Machine: "m", Steps: step, Notes: []string{"Process completed with exit code 1."}},
			{Name: "fleet / build python3.13 / linux/arm64", Conclusion: forge.Failure, Machine: "m", Steps: step, Notes: []string{"Process completed with exit code 1."}},
			{Name: "fleet / build lost / linux/arm64", Conclusion: forge.Failure, Machine: "m", Notes: []string{"The self-hosted runner: x lost communication with the server."}},
			{Name: "fleet / build fine / linux/amd64", Conclusion: forge.Success},
			{Name: "fleet / build after / linux/amd64", Conclusion: forge.Skipped},
			{Name: "licences / build things", Conclusion: forge.Success},
			{Name: "rootfsgen / result", Conclusion: forge.Failure, Machine: "m", Steps: step},
		}},
		{Forge: forge.GitLab, Done: true, Jobs: []forge.Job{
			{Name: "build:node:amd64", Conclusion: forge.Failure, Reason: "script_failure", Machine: "m", ExitCode: 1},
			{Name: "build:2.1:amd64: [java, linux/amd64]", Conclusion: forge.Failure, Reason: "script_failure", Machine: "m", ExitCode: 1},
			{Name: "merge:gone", Conclusion: forge.Failure, Reason: "runner_system_failure", Machine: "m"},
			{Name: "rootfsgen-plan", Conclusion: forge.Failure, Reason: "script_failure", Machine: "m", ExitCode: 1},
		}},
	}})
	if d := cmp.Diff([]string{"java", "node", "python3.13"}, got.Failed); d != "" {
		t.Errorf("failed (-want +got):\n%s", d)
	}
	if d.must(); d.tip() != tip {
		t.Error("to look at the offer made it another one")
	}
}
