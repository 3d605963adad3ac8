package audit

import (
	"regexp"
	"strings"
)

var jobAudits = []Audit{
	{Name: "anonymous-definition", Doc: "Each workflow, job and step has a name that people can look for.", github: anonymousDefinition},
	{Name: "missing-timeout", Doc: "Each job ends by itself: a hung one costs six hours else, or five days on a machine of one's own.", github: missingTimeout},
	{Name: "fail-fast", Doc: "One leg of a matrix does not end the others: their work would be lost.", github: failFast},
	{Name: "unguarded-matrix", Doc: "A job whose matrix comes from another job has a condition, or it is a called workflow's, whose caller has one: an empty matrix is an error.", github: unguardedMatrix},
	{Name: "loose-shell", Doc: "Scripts run in bash and begin with set -euo pipefail: a failed command is a failed step.", github: looseShell},
	{Name: "artifact-names", Doc: "An artifact's name has no character that the forge refuses and nothing that differs between attempts, and replaces that of an earlier attempt.", github: artifactNames},
	{Name: "artifact-retention", Doc: "Each artifact says for how many days it is kept: else it is as long as the repository keeps any.", github: artifactRetention},
	{Name: "always-after-cancel", Doc: "Nothing but the check that closes runs after a cancellation: !cancelled() is meant where always() is written.", github: alwaysAfterCancel},
}

func anonymousDefinition(g *github, w *workflow) {
	if w.root.get("name").text() == "" {
		g.at(w, node{}, "the workflow has no name")
	}
	for _, j := range w.jobs {
		if j.node.get("name").text() == "" {
			g.atJob(w, j, node{}, "the job has no name")
		}
		for _, s := range j.steps {
			if s.node.get("name").text() == "" {
				g.atStep(w, j, s, node{}, "the step has no name")
			}
		}
	}
}

func missingTimeout(g *github, w *workflow) {
	for _, j := range w.jobs {
		if !j.node.get("uses").there() && !j.node.get("timeout-minutes").there() {
			g.atJob(w, j, node{}, "the job has no time limit")
		}
	}
}

func failFast(g *github, w *workflow) {
	for _, j := range w.jobs {
		if s := j.node.get("strategy"); s.there() && s.get("fail-fast").text() != "false" {
			g.atJob(w, j, s, "one leg ends the others")
		}
	}
}

func unguardedMatrix(g *github, w *workflow) {
	for _, j := range w.jobs {
		computed := false
		j.node.get("strategy", "matrix").scalars(func(n node) { computed = computed || strings.Contains(n.text(), "needs.") })
		if computed && !j.node.get("if").there() {
			g.atJob(w, j, j.node.get("strategy"), "the matrix may be empty, and nothing asks first")
		}
	}
}

func looseShell(g *github, w *workflow) {
	byDefault := w.root.get("defaults", "run", "shell").text()
	w.eachStep(func(j *job, s *step) {
		run := s.node.get("run")
		if !run.there() {
			return
		}
		shell := byDefault
		if n := s.node.get("shell"); n.there() {
			shell = n.text()
		}
		if shell != "bash" || !strings.HasPrefix(run.text(), "set -euo pipefail\n") {
			g.atStep(w, j, s, run, "the script does not run in bash, or does not begin with set -euo pipefail")
		}
	})
}

var refusedInNames = regexp.MustCompile(`["<>|*?\\/\r\n]`)

func artifactNames(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		if !strings.HasPrefix(s.node.get("uses").text(), "actions/upload-artifact@") {
			return
		}
		name := s.node.get("with", "name")
		constant := expression.ReplaceAllStringFunc(name.text(), literals)
		switch {
		case name.text() == "" || refusedInNames.MatchString(constant):
			g.atStep(w, j, s, name, "%q cannot be an artifact's name", name.text())
		case strings.Contains(name.text(), "run_attempt") || strings.Contains(name.text(), "run_id"):
			g.atStep(w, j, s, name, "the name is another one in each attempt: a job that runs again finds nothing")
		case s.node.get("with", "overwrite").text() != "true":
			g.atStep(w, j, s, s.node.get("with"), "the artifact of an earlier attempt is in the way")
		}
	})
}

func artifactRetention(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		n := s.node.get("with", "retention-days")
		if strings.HasPrefix(s.node.get("uses").text(), "actions/upload-artifact@") && (!n.there() || n.text() == "0") {
			g.atStep(w, j, s, n, "nothing says for how many days the artifact is kept")
		}
	})
}

var literal = regexp.MustCompile(`'((?:[^']|'')*)'`)

// literals are the texts in an expression, joined.
func literals(expression string) string {
	var b strings.Builder
	for _, m := range literal.FindAllStringSubmatch(expression, -1) {
		b.WriteString(m[1])
	}
	return b.String()
}

func alwaysAfterCancel(g *github, w *workflow) {
	for _, j := range w.jobs {
		if strings.Contains(j.node.get("if").text(), "always()") && j.id != "result" {
			g.atJob(w, j, j.node.get("if"), "the job runs even after a cancellation")
		}
		for _, s := range j.steps {
			if strings.Contains(s.node.get("if").text(), "always()") {
				g.atStep(w, j, s, s.node.get("if"), "the step runs even after a cancellation")
			}
		}
	}
}
