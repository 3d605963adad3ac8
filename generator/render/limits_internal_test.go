package render

import (
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// driver makes a meter count n of one limit, by what it counts that in.
type driver struct {
	drive func(m *meter, n int)
	step  int // the smallest difference there can be; 0 is 1
}

// oneImage is a GitHub pipeline of one image on so many machines.
func oneImage(legs int, label string) *github {
	i := pipeline.Image{ID: "a", Legs: make([]pipeline.Leg, legs)}
	for n := range i.Legs {
		i.Legs[n] = pipeline.Leg{Platform: model.LinuxAMD64, Runner: "x"}
	}
	return &github{p: &pipeline.Pipeline{Images: []pipeline.Image{i}, Runners: map[string]model.Runner{"x": {GitHub: []string{label}}}}}
}

// drivers have every limit that is counted.
var drivers = map[string]driver{
	ghMatrix: {drive: func(m *meter, n int) { m.githubImages(oneImage(n, "own")) }},
	ghFile:   {drive: func(m *meter, n int) { m.githubFiles(Files{GitHubFleet: make([]byte, n)}) }},
	ghExpression: {drive: func(m *meter, n int) {
		m.githubJob(&ghJob{If: expr(strings.Repeat("x", n/2)), Steps: []ghStep{{Env: []pair{{"A", expr(strings.Repeat("x", n))}}}}})
	}},
	ghOutputs: {step: 2, drive: func(m *meter, n int) {
		rest := oneImage(1, "").everyOutput()
		m.count(ghOutputs, oneImage(1, strings.Repeat("x", (n-rest)/2)).everyOutput(), "")
	}},
	ghReusables:       {drive: callsMany},
	ghReusablesServer: {drive: callsMany},
	ghDepth:           {drive: callsDeep},
	ghDepthServer:     {drive: callsDeep},
	ghArtifacts: {drive: func(m *meter, n int) {
		j := &ghJob{Steps: make([]ghStep, n)}
		for i := range j.Steps {
			j.Steps[i].Uses = &Pin{Action: actionUpload}
		}
		m.githubJob(j)
	}},
	ghCheckRuns:     {drive: func(m *meter, n int) { m.githubImages(oneImage(n, "own")) }},
	ghHostedMinutes: {drive: func(m *meter, n int) { m.githubMinutes(oneImage(0, "ubuntu-24.04").p, "x", n, "a") }},
	ghOwnMinutes:    {drive: func(m *meter, n int) { m.githubMinutes(oneImage(0, "own").p, "x", n, "a") }},

	glNeeds:  {drive: func(m *meter, n int) { m.gitlabJob(&glJob{Needs: make([]need, n)}) }},
	glMatrix: {drive: func(m *meter, n int) { m.gitlabJob(&glJob{Matrix: make([][]pair, n)}) }},
	glMatrixName: {drive: func(m *meter, n int) {
		m.gitlabJob(&glJob{Matrix: [][]pair{{{"A", strings.Repeat("x", n/2)}, {"B", strings.Repeat("x", n-n/2)}}}})
	}},
	glFileSize:    {drive: func(m *meter, n int) { m.gitlabFiles(Files{GitLabPipeline: make([]byte, n)}) }},
	glJobSize:     {drive: func(m *meter, n int) { m.count(glJobSize, n, stagePlan) }}, // TestPlansThatAreCarried has what keeps to it
	glIncludes:    {drive: func(m *meter, n int) { m.gitlabFile("a", &glFile{Include: make([]string, n)}) }},
	glJobsFree:    {drive: jobsOnGitLab},
	glJobsPremium: {drive: jobsOnGitLab},
}

// callsMany is a workflow that calls others, one of which calls one more.
func callsMany(m *meter, n int) {
	main := &workflow{}
	for i := range n - 1 {
		main.Jobs = append(main.Jobs, ghJob{Uses: fmt.Sprintf("./%d", i)})
	}
	m.githubWorkflows(map[string]*workflow{"main": main, "0": {Jobs: []ghJob{{Uses: "./more"}}}})
}

// callsDeep is workflows of which each calls the next.
func callsDeep(m *meter, n int) {
	all := map[string]*workflow{}
	for i := range n {
		all[fmt.Sprint(i)] = &workflow{}
		if i > 0 {
			all[fmt.Sprint(i)].Jobs = []ghJob{{Uses: fmt.Sprintf("./%d", i-1)}}
		}
	}
	m.githubWorkflows(all)
}

// jobsOnGitLab is jobs, some of them legs of a matrix, and one that is none.
func jobsOnGitLab(m *meter, n int) {
	f := &glFile{Jobs: []glJob{{Name: ".hidden", Matrix: make([][]pair, 7)}, {Name: "one"}, {Name: "many", Matrix: make([][]pair, n-1)}}}
	m.gitlabJobs(m.gitlabFile("a", f))
}

// TestEveryLimitAtItsEdge counts one less than each limit, as much and one
// more, by the code that counts pipelines, and refuses or tells the last.
func TestEveryLimitAtItsEdge(t *testing.T) {
	t.Parallel()
	for _, b := range Bounds {
		d, has := drivers[b.ID]
		if has != b.Counted() {
			t.Errorf("%s: counted %v, and tried here %v", b.ID, b.Counted(), has)
		}
		if !has {
			continue
		}
		step := max(d.step, 1)
		for _, n := range []int{b.Max - step, b.Max, b.Max + step} {
			m := newMeter(b.Forge)
			d.drive(m, n)
			if got := m.most[b.ID].Used; got != n {
				t.Errorf("%s: counts %d, want %d", b.ID, got, n)
			}
			var l Limit
			for _, x := range m.limits() {
				if x.What == b.What && x.On == b.On {
					l = x
				}
			}
			if over := n > b.Max; l.Used != n || l.Exceeded() != (over && b.Does != DoesTell) || l.Told != (b.Does == DoesTell) {
				t.Errorf("%s: %d: %+v", b.ID, n, l)
			}
			err := CheckLimits([]Limit{l})
			if err != nil && (!strings.Contains(err.Error(), b.What) || !strings.Contains(err.Error(), b.Source) || !strings.Contains(err.Error(), fmt.Sprintf("%d of %d", n, b.Max))) {
				t.Errorf("%s: %v", b.ID, err)
			}
		}
	}
}

// TestPlansThatAreCarried goes through sizes around the largest plan that a job
// carries in its script: none makes a job that GitLab refuses.
func TestPlansThatAreCarried(t *testing.T) {
	t.Parallel()
	random := rand.NewChaCha8([32]byte{})
	raw := make([]byte, maxCarried)
	_, _ = random.Read(raw) // which does not get smaller when it is packed
	g := &gitlab{p: &pipeline.Pipeline{Runners: map[string]model.Runner{}}}
	largest, smallest := 0, maxCarried*2
	for size := 389_000; size < 390_500; size += 3 {
		j, text := g.carrier(raw[:size]), len(encode(raw[:size]))
		switch carried := j.Needs == nil; {
		case carried:
			largest = max(largest, text)
			if len(j.Script[0]) > bound(glJobSize) {
				t.Errorf("a plan of %d bytes makes a script of %d", size, len(j.Script[0]))
			}
		default:
			smallest = min(smallest, text)
		}
	}
	if largest > maxCarried || largest < maxCarried-8 || smallest <= maxCarried || smallest > maxCarried+8 {
		t.Errorf("carries up to %d bytes and takes %d and more from the parent, at %d", largest, smallest, maxCarried)
	}
}
