package audit

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

// github is all workflows of a repository.
type github struct {
	rules     Rules
	pins      map[string]pin // by action
	workflows []*workflow    // by path
	report    func(Finding)
}

// pin is what the pins file says about an action.
type pin struct{ commit, version string }

// workflow is one file.
type workflow struct {
	path string
	root node
	jobs []*job
}

type job struct {
	id    string
	key   node // of the job in the file
	node  node
	steps []*step
}

type step struct {
	name string
	node node
}

const (
	workflowFolder = ".github/workflows/"
	pinsFile       = ".github/rootfsgen-pins.yaml"
)

func readGitHub(files map[string][]byte, rules Rules) (*github, error) {
	g := &github{rules: rules, pins: map[string]pin{}}
	for _, name := range slices.Sorted(maps.Keys(files)) {
		switch {
		case name == pinsFile:
			root, err := parse(name, files[name])
			if err != nil {
				return nil, err
			}
			for _, a := range root.get("actions").items() {
				uses := a.get("uses")
				action, commit, _ := strings.Cut(uses.text(), "@")
				g.pins[action] = pin{commit, uses.comment()}
			}
		case path.Dir(name)+"/" == workflowFolder:
			root, err := parse(name, files[name])
			if err != nil {
				return nil, err
			}
			g.workflows = append(g.workflows, readWorkflow(name, root))
		}
	}
	return g, nil
}

func readWorkflow(name string, root node) *workflow {
	w := &workflow{path: name, root: root}
	for _, e := range root.get("jobs").entries() {
		j := &job{id: e.key.text(), key: e.key, node: e.value}
		for i, s := range e.value.get("steps").items() {
			title := s.get("name").text()
			if title == "" {
				title = fmt.Sprint(i + 1)
			}
			j.steps = append(j.steps, &step{name: title, node: s})
		}
		w.jobs = append(w.jobs, j)
	}
	return w
}

// events are what starts the workflow. A reader of YAML 1.1 takes the key "on"
// for true.
func (w *workflow) events() map[string]node {
	on := w.root.get("on")
	if !on.there() {
		on = w.root.get("true")
	}
	out := map[string]node{}
	for _, e := range on.entries() {
		out[e.key.text()] = e.value
	}
	for _, i := range on.items() {
		out[i.text()] = i
	}
	return out
}

// called tells whether nothing but another workflow starts this one.
func (w *workflow) called() bool {
	e := w.events()
	_, call := e["workflow_call"]
	return call && len(e) == 1
}

func (w *workflow) job(id string) *job {
	for _, j := range w.jobs {
		if j.id == id {
			return j
		}
	}
	return nil
}

// callee is the workflow of the repository that a job calls, nil where it
// calls none or one that is not among the files.
func (g *github) callee(j *job) *workflow {
	name, local := strings.CutPrefix(j.node.get("uses").text(), "./")
	for _, w := range g.workflows {
		if local && w.path == name {
			return w
		}
	}
	return nil
}

func (g *github) at(w *workflow, n node, format string, args ...any) {
	g.report(Finding{File: w.path, Line: n.line(), Message: fmt.Sprintf(format, args...)})
}

func (g *github) atJob(w *workflow, j *job, n node, format string, args ...any) {
	if !n.there() {
		n = j.key
	}
	g.report(Finding{File: w.path, Line: n.line(), At: "job " + j.id, Message: fmt.Sprintf(format, args...)})
}

func (g *github) atStep(w *workflow, j *job, s *step, n node, format string, args ...any) {
	if !n.there() {
		n = s.node
	}
	g.report(Finding{File: w.path, Line: n.line(), At: "job " + j.id + ", step " + s.name, Message: fmt.Sprintf(format, args...)})
}

// eachStep calls do for every step of a workflow.
func (w *workflow) eachStep(do func(*job, *step)) {
	for _, j := range w.jobs {
		for _, s := range j.steps {
			do(j, s)
		}
	}
}

var expression = regexp.MustCompile(`(?s)\$\{\{(.*?)\}\}`)

// expressions are the texts between the braces of a scalar; a condition is one
// without them, too.
func expressions(n node, condition bool) []string {
	var out []string
	for _, m := range expression.FindAllStringSubmatch(n.text(), -1) {
		out = append(out, strings.TrimSpace(m[1]))
	}
	if condition && len(out) == 0 && n.text() != "" {
		out = append(out, n.text())
	}
	return out
}

var quoted = regexp.MustCompile(`'(?:[^']|'')*'`)

// bare is an expression without its texts: an image may be called secrets.x.
func bare(expression string) string { return quoted.ReplaceAllString(expression, "''") }

// everyExpression calls do for every expression of a workflow; j is nil for
// those outside jobs.
func (w *workflow) everyExpression(do func(j *job, n node, text string)) {
	for _, e := range w.root.entries() {
		if e.key.text() != "jobs" {
			e.value.scalars(func(n node) {
				for _, x := range expressions(n, false) {
					do(nil, n, x)
				}
			})
		}
	}
	for _, j := range w.jobs {
		conditions := map[node]bool{j.node.get("if"): true}
		for _, s := range j.steps {
			conditions[s.node.get("if")] = true
		}
		j.node.scalars(func(n node) {
			for _, x := range expressions(n, conditions[n]) {
				do(j, n, x)
			}
		})
	}
}

// place is where an expression is, for a report.
func (g *github) place(w *workflow, j *job, n node, format string, args ...any) {
	if j == nil {
		g.at(w, n, format, args...)
		return
	}
	g.atJob(w, j, n, format, args...)
}
