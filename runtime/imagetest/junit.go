package imagetest

import (
	"fmt"
	"io"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/runtime/junit"
)

// WriteJUnit writes suites in the form that both forges read, sorted by
// target. What XML cannot hold is replaced.
func WriteJUnit(w io.Writer, suites []Suite) error {
	sorted := slices.SortedFunc(slices.Values(suites), func(a, b Suite) int { return a.Target.Compare(b.Target) })
	all := make([]junit.Suite, 0, len(sorted))
	for _, s := range sorted {
		js := junit.Suite{
			Name: s.Target.String(), Timestamp: s.Started.UTC().Format("2006-01-02T15:04:05"),
		}
		var took time.Duration
		for _, r := range s.Results {
			took += r.Took
			c := junit.Case{Name: junit.Clean(r.Test.Name), Class: s.Target.Node(), Time: seconds(r.Took), Output: junit.Clean(r.Output)}
			if r.Problem != "" {
				c.Failure = &junit.Problem{Message: junit.Clean(r.Problem), Text: junit.Clean("$ " + r.Test.Cmd)}
			}
			js.Cases = append(js.Cases, c)
		}
		js.Time = seconds(took)
		all = append(all, js)
	}
	return junit.Write(w, all)
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }
