package render_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// everyLimit is what the forges tell, written down a second time.
var everyLimit = map[string]int{
	"github-matrix": 256, "github-file": 500_000, "github-expression": 21_000, "github-outputs": 1_000_000, "github-run-outputs": 50,
	"github-reusables": 50, "github-reusables-server": 20, "github-depth": 10, "github-depth-server": 4, "github-reruns": 50,
	"github-summary": 1024, "github-artifacts": 500, "github-found": 1000, "github-waiting": 1, "github-queue": 100, "github-check-runs": 50_000,
	"github-queued": 500, "github-events": 1500, "github-own-minutes": 5 * 24 * 60, "github-own-queue": 24, "github-registrations": 1500,
	"github-group": 10_000, "github-hosted-minutes": 6 * 60, "github-run-days": 35, "github-cache": 200, "github-tags": 3, "github-idle": 60,

	"gitlab-needs": 50, "gitlab-needs-project": 5, "gitlab-matrix": 200, "gitlab-matrix-name": 114, "gitlab-depth": 2, "gitlab-hierarchy": 1000,
	"gitlab-trigger": 3, "gitlab-triggers": 350, "gitlab-pipelines": 25, "gitlab-jobs-free": 500, "gitlab-jobs-premium": 20_000,
	"gitlab-jobs-ultimate": 100_000, "gitlab-dotenv": 5 * 1024, "gitlab-dotenv-variables": 20, "gitlab-dotenv-free": 50, "gitlab-dotenv-premium": 100,
	"gitlab-dotenv-ultimate": 150, "gitlab-file": 2_000_000, "gitlab-job": 1 << 20, "gitlab-nesting": 150, "gitlab-includes": 150, "gitlab-total": 300,
	"gitlab-artifacts": 1024, "gitlab-pushed": 4, "gitlab-schedules": 10, "gitlab-schedules-paid": 50,
}

// TestTheTableHasEveryLimit holds the table against what the forges tell.
func TestTheTableHasEveryLimit(t *testing.T) {
	t.Parallel()
	got := map[string]int{}
	for _, b := range render.Bounds {
		got[b.ID] = b.Max
	}
	if d := cmp.Diff(everyLimit, got); d != "" {
		t.Errorf("-told +table:\n%s", d)
	}
}

// TestLimitsThatNoPipelineMeets reads the golden pipelines for what the table
// says that none has, or all have the same little of.
func TestLimitsThatNoPipelineMeets(t *testing.T) {
	t.Parallel()
	const nesting = 12
	for name, f := range linted() {
		total, triggers := 0, 0
		for file, text := range f.files(t) {
			if !strings.Contains(file, "gitlab") {
				continue
			}
			total += len(text)
			var doc yaml.Node
			if err := yaml.Unmarshal(text, &doc); err != nil {
				t.Fatal(err)
			}
			if d := deep(&doc); d > nesting {
				t.Errorf("%s: %s has %d levels", name, file, d)
			}
			var jobs map[string]any
			if err := doc.Decode(&jobs); err != nil {
				t.Fatal(err)
			}
			for id, job := range jobs {
				if j, is := job.(map[string]any); is && j["trigger"] != nil {
					triggers++
					if file == render.GitLabFleet {
						t.Errorf("%s: a child pipeline starts %s", name, id)
					}
					if include, is := j["trigger"].(map[string]any)["include"].([]any); !is || len(include) != 1 {
						t.Errorf("%s: %s is of more than one file", name, id)
					}
				}
			}
			for _, never := range []string{"dotenv:", "project:"} {
				if strings.Contains(string(text), never) {
					t.Errorf("%s: %s has %s", name, file, never)
				}
			}
		}
		if triggers != 1 || total > 3*2_000_000 {
			t.Errorf("%s: %d pipelines below one, %d bytes", name, triggers, total)
		}
	}
}

// deep is how many levels a document has in one another.
func deep(n *yaml.Node) int {
	below := 0
	for _, c := range n.Content {
		below = max(below, deep(c))
	}
	return below + 1
}
