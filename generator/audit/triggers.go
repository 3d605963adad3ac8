package audit

import (
	"regexp"
	"slices"
	"strings"
)

var triggerAudits = []Audit{
	{Name: "dangerous-triggers", Doc: "No event lets a stranger's code meet our rights: no pull_request_target, and workflow_run only in the watchdog, which checks nothing out.", github: dangerousTriggers},
	{Name: "concurrency-limits", Doc: "A workflow that an event starts has a concurrency group, and a release, a push to the default branch or a schedule is never cancelled.", github: concurrencyLimits},
	{Name: "self-hosted-runner", Doc: "A fork's request runs on the forge's own machines: on ours its code would meet the next job.", github: selfHostedRunner},
	{Name: "path-filters", Doc: "No event is filtered by path: forges mean other files by it than a reader, and what is skipped is never looked at again.", github: pathFilters},
}

// watchdog is the one workflow that may look at other runs.
const watchdog = workflowFolder + "rootfsgen-watchdog.yml"

func dangerousTriggers(g *github, w *workflow) {
	events := w.events()
	for _, e := range []string{"pull_request_target", "issue_comment", "pull_request_review_comment", "discussion_comment"} {
		if n, has := events[e]; has {
			g.at(w, n, "%s starts the workflow", e)
		}
	}
	n, has := events["workflow_run"]
	if !has {
		return
	}
	if w.path != watchdog {
		g.at(w, n, "workflow_run starts a workflow that is not the watchdog")
	}
	w.eachStep(func(j *job, s *step) {
		if strings.HasPrefix(s.node.get("uses").text(), "actions/checkout@") || strings.HasPrefix(s.node.get("uses").text(), "actions/download-artifact@") {
			g.atStep(w, j, s, node{}, "a workflow that workflow_run starts fetches what the other run made")
		}
	})
}

// lasting are the events whose work nothing newer stands for.
var lasting = []string{"push", "schedule", "workflow_dispatch", "release"}

func concurrencyLimits(g *github, w *workflow) {
	if w.called() {
		if n := w.root.get("concurrency"); n.there() {
			g.at(w, n, "a called workflow is in the group of its caller")
		}
		return
	}
	group, cancel := w.root.get("concurrency", "group"), w.root.get("concurrency", "cancel-in-progress")
	if group.text() == "" || !cancel.there() {
		g.at(w, w.root.get("concurrency"), "the workflow has no concurrency group, or does not say whether a newer run cancels it")
	}
	events := w.events()
	for _, e := range lasting {
		if _, has := events[e]; has && cancel.text() != "false" && cancel.there() {
			g.at(w, cancel, "a run of %s may be cancelled", e)
		}
	}
	for _, other := range g.workflows {
		if o := other.root.get("concurrency", "group").text(); other != w && o != "" && o == group.text() {
			g.at(w, group, "%s is in the same group", other.path)
		}
	}
	for _, j := range w.jobs {
		if n := j.node.get("concurrency", "cancel-in-progress"); n.there() && n.text() != "false" && j.node.get("environment").there() {
			g.atJob(w, j, n, "a job with an environment may be cancelled by a newer one")
		}
	}
}

// reached is a job that a fork's request runs.
type reached struct {
	workflow *workflow
	job      *job
}

// sameRepository is the condition that keeps requests of forks out.
const sameRepository = "github.event.pull_request.head.repo.full_name == github.event.repository.full_name"

// reachedByForks are the jobs that a request of a fork runs when it starts w,
// in called workflows, too.
func (g *github) reachedByForks(w *workflow) []reached {
	if _, starts := w.events()["pull_request"]; !starts {
		return nil
	}
	var out []reached
	for _, j := range w.jobs {
		if !keepsForksOut(j) {
			out = append(out, g.below(w, j, nil)...)
		}
	}
	return out
}

func (g *github) below(w *workflow, j *job, seen []*workflow) []reached {
	out := []reached{{w, j}}
	callee := g.callee(j)
	if callee == nil || slices.Contains(seen, callee) {
		return out
	}
	for _, inner := range callee.jobs {
		out = append(out, g.below(callee, inner, append(seen, callee))...)
	}
	return out
}

// keepsForksOut tells whether the condition of a job holds for no fork: it is
// a conjunction, and one of its parts compares the repositories.
func keepsForksOut(j *job) bool {
	for _, text := range expressions(j.node.get("if"), true) {
		if strings.Contains(text, "||") {
			return false
		}
		for part := range strings.SplitSeq(text, "&&") {
			part = strings.Trim(strings.TrimSpace(part), "()")
			if part == sameRepository || part == "github.event.pull_request.head.repo.full_name == github.repository" {
				return true
			}
		}
	}
	return false
}

var offered = regexp.MustCompile(`^(?:ubuntu|windows|macos)-(?:latest|slim|[0-9])`)

func selfHostedRunner(g *github, w *workflow) {
	for _, r := range g.reachedByForks(w) {
		on := r.job.node.get("runs-on")
		labels := on.texts()
		if on.isMapping() {
			labels = append(on.get("labels").texts(), "self-hosted")
		}
		for _, l := range labels {
			if !offered.MatchString(l) && !slices.Contains(g.rules.Hosted, l) {
				g.atJob(r.workflow, r.job, on, "a fork's request runs on machines of our own, by the label %s", l)
				break
			}
		}
	}
}

func pathFilters(g *github, w *workflow) {
	for event, n := range w.events() {
		for _, key := range []string{"paths", "paths-ignore"} {
			if f := n.get(key); f.there() {
				g.at(w, f, "%s is filtered by %s", event, key)
			}
		}
	}
}
