package runcmd

import (
	"cmp"
	"slices"
	"sync"

	"github.com/rootfsgen/rootfsgen/cmd/internal/account"
	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// suites collects what ran, and what became of the tests of every target.
type suites struct {
	mu   sync.Mutex
	all  []imagetest.Suite
	ends []walk.Event                // of tests
	name func(model.TargetID) string // as they are called there
}

func (s *suites) add(one imagetest.Suite) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.all = append(s.all, one)
}

// event notes the end of a target's tests.
func (s *suites) event(p *model.Plan, e walk.Event) {
	if e.Step != model.StepTest || !e.End {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.name == nil {
		s.name = walk.Names(p)
	}
	s.ends = append(s.ends, e)
}

// tested is what the tests of each target came to, by name. What has no tests
// is not among them.
func (s *suites) tested() []account.Tested {
	if s.name == nil {
		return nil
	}
	ran := map[string]*imagetest.Suite{}
	for n := range s.all {
		ran[s.name(s.all[n].Target)] = &s.all[n]
	}
	var out []account.Tested
	for _, e := range s.ends {
		t := account.Tested{Name: e.Name, Outcome: account.TestsPassed}
		_, skipped := step.Skipped(e.Err)
		why, untested := step.IsUntested(e.Err)
		suite := ran[e.Name]
		if suite != nil {
			addResults(&t, suite)
		}
		switch {
		case skipped:
			t.Outcome = account.TestsBefore
		case untested:
			t.Outcome, t.Why = account.TestsUntested, why.Error()
		case len(t.Failed) > 0:
			t.Outcome = account.TestsFailed
		case e.Err != nil:
			t.Outcome, t.Why = account.TestsNotRun, walk.Why(e.Err)
		case suite != nil && t.Ran == 0:
			continue
		}
		out = append(out, t)
	}
	slices.SortFunc(out, func(a, b account.Tested) int { return cmp.Compare(a.Name, b.Name) })
	return out
}

// addResults adds what ran to what is said of it.
func addResults(t *account.Tested, suite *imagetest.Suite) {
	t.Ran = len(suite.Results)
	for _, r := range suite.Results {
		t.Seconds += r.Took.Seconds()
		if r.Problem != "" {
			t.Failed = append(t.Failed, account.FailedTest{Name: r.Test.Name, Problem: r.Problem, Cmd: r.Test.Cmd, Output: r.Output})
		}
	}
}

// summarize shows what the tests came to in the summary of a job, where a
// forge has one. That it cannot be written fails nobody's tests.
func (s *suites) summarize(a *app.App) {
	file := a.Env(stepSummary)
	if file == "" {
		return
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	text := account.TestsMarkdown(s.tested(), planning.SummaryBytes)
	if text == "" {
		return
	}
	if err := appendReport(file, text); err != nil {
		a.Log.Warn(err.Error())
	}
}
