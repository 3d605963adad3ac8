package render

import (
	"cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// retry is how often and when GitLab repeats a job by itself.
type retry struct {
	Max       int
	When      []string
	ExitCodes []int
}

// maxRetries is GitLab's own bound.
const maxRetries = 2

// lost repeats a job that ended with its machine, or whose step asks for
// another try, as far as this GitLab can tell. It is nil where nothing is
// repeated. GitLab gives every try the same tags, so the last one has a machine
// that stays only where the pool of machines falls back to such.
func (g *gitlab) lost() *retry {
	again := min(cmp.Or(g.p.Spot.Attempts, model.DefaultSpotAttempts)-1, maxRetries)
	if again < 1 {
		return nil
	}
	r := &retry{Max: again, When: model.RetryReasons(g.p.GitLab)}
	if model.RetriesExitCodes(g.p.GitLab) {
		r.ExitCodes = model.AgainCodes()
	}
	return r
}

func (r *retry) tree() map[string]any {
	t := map[string]any{"max": r.Max, "when": list(r.When)}
	if len(r.ExitCodes) > 0 {
		codes := make([]any, 0, len(r.ExitCodes))
		for _, c := range r.ExitCodes {
			codes = append(codes, c)
		}
		t["exit_codes"] = codes
	}
	return t
}
