package render_test

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// run is the state that a condition looks at.
type run struct {
	cancelled bool
	results   map[string]string            // of jobs
	outputs   map[string]map[string]string // of jobs
}

// holds evaluates a condition of the generated workflows as GitHub does.
func (r *run) holds(t fataler, condition string) bool {
	text := strings.TrimSuffix(strings.TrimSpace(strings.TrimPrefix(condition, "${{")), "}}")
	node, err := actionlint.NewExprParser().Parse(actionlint.NewExprLexer(text + "}}"))
	if err != nil {
		t.Fatalf("%s: %v", condition, err)
	}
	v := r.eval(t, node)
	return v == true
}

type fataler interface{ Fatalf(string, ...any) }

func (r *run) eval(t fataler, n actionlint.ExprNode) any {
	switch n := n.(type) {
	case *actionlint.StringNode:
		return n.Value
	case *actionlint.NotOpNode:
		return r.eval(t, n.Operand) != true
	case *actionlint.LogicalOpNode:
		left := r.eval(t, n.Left)
		if (left == true) == (n.Kind == actionlint.LogicalOpNodeKindOr) {
			return left
		}
		return r.eval(t, n.Right)
	case *actionlint.CompareOpNode:
		left, right := r.eval(t, n.Left), r.eval(t, n.Right)
		if n.Kind == actionlint.CompareOpNodeKindNotEq {
			return left != right
		}
		return left == right
	case *actionlint.FuncCallNode:
		return r.call(t, n)
	case *actionlint.ObjectDerefNode:
		return r.deref(t, n)
	}
	t.Fatalf("the conditions use something new: %T", n)
	return nil
}

func (r *run) call(t fataler, n *actionlint.FuncCallNode) any {
	switch strings.ToLower(n.Callee) {
	case "always":
		return true
	case "cancelled":
		return r.cancelled
	case "fromjson":
		var list []string
		if err := json.Unmarshal([]byte(fmt.Sprint(r.eval(t, n.Args[0]))), &list); err != nil {
			t.Fatalf("fromJSON: %v", err)
		}
		return list
	case "contains":
		list, _ := r.eval(t, n.Args[0]).([]string)
		return slices.Contains(list, fmt.Sprint(r.eval(t, n.Args[1])))
	}
	t.Fatalf("the conditions call something new: %s", n.Callee)
	return nil
}

// deref reads needs.JOB.result and needs.JOB.outputs.NAME.
func (r *run) deref(t fataler, n *actionlint.ObjectDerefNode) any {
	var path []string
	for at := actionlint.ExprNode(n); ; {
		if d, is := at.(*actionlint.ObjectDerefNode); is {
			path = append([]string{d.Property}, path...)
			at = d.Receiver
			continue
		}
		if v, is := at.(*actionlint.VariableNode); !is || v.Name != "needs" {
			t.Fatalf("the conditions read something new: %v", path)
		}
		break
	}
	if len(path) == 2 && path[1] == "result" {
		return r.results[path[0]]
	}
	return r.outputs[path[0]][path[2]]
}

type ghJob struct {
	If    string
	Needs []string
}

func ghJobs(t fataler, text []byte) map[string]ghJob {
	var doc struct{ Jobs map[string]ghJob }
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatalf("%v", err)
	}
	return doc.Jobs
}

// TestConditionsOfEntryWorkflows goes through every combination of results.
func TestConditionsOfEntryWorkflows(t *testing.T) {
	t.Parallel()
	files := fixtures()["small"].files(t)
	results := []string{"success", "failure", "cancelled", "skipped"}
	push, release := ghJobs(t, files[".github/workflows/rootfsgen-push.yml"]), ghJobs(t, files[".github/workflows/rootfsgen-release.yml"])
	for _, cancelled := range []bool{false, true} {
		for _, fleet := range results {
			r := &run{cancelled: cancelled, results: map[string]string{"fleet": fleet}}
			for _, jobs := range []map[string]ghJob{push, release} {
				if got, want := r.holds(t, jobs["manifest"].If), !cancelled && fleet != "skipped"; got != want {
					t.Errorf("manifest after fleet %s, cancelled %v: %v", fleet, cancelled, got)
				}
				if !r.holds(t, jobs["result"].If) {
					t.Error("result does not always run")
				}
				r.outputs = map[string]map[string]string{"fleet": {"unplanned": "true"}}
				if r.holds(t, jobs["manifest"].If) {
					t.Errorf("manifest after fleet %s, cancelled %v, runs where there is no plan", fleet, cancelled)
				}
				if !r.holds(t, jobs["result"].If) {
					t.Error("result does not run where there is no plan")
				}
				r.outputs = nil
			}
			for _, manifest := range results {
				r.results["manifest"] = manifest
				want := !cancelled && fleet == "success" && manifest == "success"
				if got := r.holds(t, release["promote"].If); got != want {
					t.Errorf("promote after fleet %s and manifest %s, cancelled %v: %v", fleet, manifest, cancelled, got)
				}
			}
		}
	}
	if _, has := push["promote"]; has {
		t.Error("a push promotes")
	}
}

// TestCommentWantsAPlan lets the comment speak however the images end, and not
// where there is no plan to speak of.
func TestCommentWantsAPlan(t *testing.T) {
	t.Parallel()
	f := fixtures()["small"]
	own := func(condition string) string { // the rest is GitHub's own evaluator's, see test/ci
		return strings.Replace(condition, " && github.event.pull_request.head.repo.full_name == github.event.repository.full_name", "", 1)
	}
	jobs := ghJobs(t, f.files(t)[".github/workflows/rootfsgen-request.yml"])
	f.fleet.Settings.Triggers.Request = model.TriggerPlan
	planned := ghJobs(t, f.files(t)[".github/workflows/rootfsgen-request.yml"])
	for result, want := range map[string]bool{"success": true, "failure": false} {
		r := &run{results: map[string]string{"plan": result, "fleet": "failure"}}
		if !r.holds(t, own(jobs["comment"].If)) {
			t.Error("no comment where an image failed")
		}
		if got := r.holds(t, own(planned["comment"].If)); got != want {
			t.Errorf("a comment after a plan that ended as %s: %v", result, got)
		}
		r.outputs = map[string]map[string]string{"fleet": {"unplanned": "true"}}
		if r.holds(t, own(jobs["comment"].If)) {
			t.Error("a comment without a plan")
		}
	}
}

// TestHintOfTheBranch is in the workflow that a person may start on another
// branch, and in no other.
func TestHintOfTheBranch(t *testing.T) {
	t.Parallel()
	for file, text := range fixtures()["small"].files(t) {
		if hints, manual := strings.Contains(string(text), "Use workflow from"), strings.HasSuffix(file, "rootfsgen-manual.yml"); hints != manual {
			t.Errorf("%s: hints at another branch: %v", file, hints)
		}
	}
}

// TestFailureStopsDescendantsOnly runs the conditions of fleets of any shape,
// with any part of them planned and any part of that failing.
func TestFailureStopsDescendantsOnly(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		fleet, edges := drawFleet(t)
		p, list, err := pipeline.Layout(fleet, edges, pipeline.Options{})
		if err != nil || list.HasErrors() {
			t.Fatalf("%v %v", err, list)
		}
		files, err := render.Render(p, pipeline.GitHub, render.DefaultPins())
		if err != nil {
			t.Fatalf("%v", err)
		}
		jobs := ghJobs(t, files[render.GitHubFleet])
		planned, merging, failing := map[string]bool{}, map[string]bool{}, map[string]bool{}
		refused, joined := map[string]bool{}, map[string]bool{}
		for _, i := range p.Images {
			planned[i.ID], merging[i.ID] = rapid.Bool().Draw(t, "planned"), rapid.Bool().Draw(t, "merging")
			failing[i.ID] = rapid.IntRange(0, 3).Draw(t, "failing") == 0
			refused[i.ID] = rapid.IntRange(0, 3).Draw(t, "refused") == 0
		}
		r := &run{results: map[string]string{"plan": "success"}, outputs: map[string]map[string]string{"plan": {"build": jsonList(planned), "merge": jsonList(merging)}}}
		built := map[string]bool{} // what must have been built, said in another way
		for i := range p.Images {
			img := &p.Images[i]
			built[img.ID] = planned[img.ID] && !failing[img.ID]
			stopped := false
			for _, parent := range img.Parents() {
				stopped = stopped || planned[parent] && !built[parent]
			}
			built[img.ID] = built[img.ID] && !stopped
			check := func(kind pipeline.Kind, want bool) {
				id := render.JobID(kind, img.ID)
				job, found := jobs[id]
				if !found {
					t.Fatalf("no job %s", id)
				}
				for _, n := range job.Needs {
					if r.results[n] == "" {
						t.Fatalf("%s needs %s, which comes later", id, n)
					}
				}
				got := r.holds(t, job.If)
				if got != want {
					t.Fatalf("%s runs: %v, planned %v, merging %v, failing %v, built %v", id, got, planned, merging, failing, built)
				}
				switch {
				case !got:
					r.results[id] = "skipped"
				case kind == pipeline.Build && failing[img.ID], kind == pipeline.Merge && refused[img.ID]:
					r.results[id] = "failure"
				default:
					r.results[id] = "success"
				}
			}
			check(pipeline.Build, planned[img.ID] && !stopped)
			joined[img.ID] = merging[img.ID] && (built[img.ID] || !planned[img.ID])
			for _, parent := range img.After { // which may have been refused
				joined[img.ID] = joined[img.ID] && (joined[parent] && !refused[parent] || !merging[parent])
			}
			check(pipeline.Merge, joined[img.ID])
		}
		r.cancelled = true
		for id, job := range jobs {
			if id != "plan" && r.holds(t, job.If) {
				t.Fatalf("%s runs though the run was cancelled", id)
			}
		}
		failed := &run{results: map[string]string{"plan": "failure"}}
		for id, job := range jobs {
			if id != "plan" && failed.holds(t, job.If) {
				t.Fatalf("%s runs without a plan", id)
			}
		}
	})
}

func jsonList(set map[string]bool) string {
	list := []string{}
	for id, in := range set {
		if in {
			list = append(list, id)
		}
	}
	slices.Sort(list)
	b, _ := json.Marshal(list) // strings always marshal
	return string(b)
}

// drawFleet draws up to eight images, each built from any earlier ones.
func drawFleet(t *rapid.T) (*model.Fleet, pipeline.Edges) {
	fleet := &model.Fleet{Settings: settings()}
	edges := pipeline.Edges{}
	ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[a-z0-9]{1,4}([._-][a-z0-9]{1,3}){0,2}`), 1, 8, rapid.ID).Draw(t, "ids")
	shapes := [][]model.Platform{both, {model.LinuxAMD64}, {model.LinuxARM64}}
	for _, id := range ids {
		img := image(id, rapid.SampledFrom(shapes).Draw(t, "platforms")...)
		for _, earlier := range fleet.Images {
			if !rapid.Bool().Draw(t, "edge") {
				continue
			}
			for _, target := range img.Targets() {
				for _, parent := range earlier.Targets() {
					if parent.Platform == target.Platform {
						edges[target] = append(edges[target], parent)
					}
				}
			}
		}
		fleet.Images = append(fleet.Images, img)
	}
	slices.SortFunc(fleet.Images, func(a, b model.Image) int { return strings.Compare(a.ID, b.ID) })
	return fleet, edges
}
