package audit

import (
	"regexp"
	"strings"
)

var expressionAudits = []Audit{
	{Name: "template-injection", Doc: "No expression stands in a script: its value would be part of the program.", github: templateInjection},
	{Name: "github-env", Doc: "No script writes variables or paths for later steps, which could then run something else.", github: githubEnv},
	{Name: "insecure-commands", Doc: "The commands by which a step's output sets variables stay switched off.", github: insecureCommands},
	{Name: "bot-conditions", Doc: "No condition trusts who started the run: the last to push is not who wrote the code.", github: botConditions},
	{Name: "unsound-condition", Doc: "A condition is one expression: text around it is always true.", github: unsoundCondition},
	{Name: "unsound-contains", Doc: "contains() looks in a list: in a text it finds parts of names.", github: unsoundContains},
	{Name: "unsound-ternary", Doc: "The middle of a && b || c is never empty: c would win.", github: unsoundTernary},
	{Name: "obfuscation", Doc: "Names are written, not computed: a reader and a tool see what is used.", github: obfuscation},
	{Name: "unwritten-output", Doc: "An output that is read is written by the step that is named: an unknown one is an empty text, silently.", github: unwrittenOutput},
}

// inputsThatRun are inputs of actions that are programs.
var inputsThatRun = map[string]string{"actions/github-script": "script"}

func templateInjection(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		scripts := []node{s.node.get("run"), s.node.get("shell"), s.node.get("working-directory")}
		action, _, _ := strings.Cut(s.node.get("uses").text(), "@")
		if input, runs := inputsThatRun[action]; runs {
			scripts = append(scripts, s.node.get("with", input))
		}
		for _, n := range scripts {
			if strings.Contains(n.text(), "${{") {
				g.atStep(w, j, s, n, "an expression is part of a script")
			}
		}
	})
}

func githubEnv(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		for _, name := range []string{"GITHUB_ENV", "GITHUB_PATH"} {
			if strings.Contains(s.node.get("run").text(), name) {
				g.atStep(w, j, s, s.node.get("run"), "the script writes %s", name)
			}
		}
	})
}

var workflowCommand = regexp.MustCompile(`::(?:set-output|save-state|set-env|add-path) `)

func insecureCommands(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		if run := s.node.get("run"); workflowCommand.MatchString(run.text()) {
			g.atStep(w, j, s, run, "the script uses a command that was withdrawn")
		}
	})
	envs := []node{w.root.get("env")}
	for _, j := range w.jobs {
		envs = append(envs, j.node.get("env"))
		for _, s := range j.steps {
			envs = append(envs, s.node.get("env"))
		}
	}
	for _, env := range envs {
		if n := env.get("ACTIONS_ALLOW_UNSECURE_COMMANDS"); n.there() {
			g.at(w, n, "commands that were withdrawn are allowed")
		}
	}
}

var actorContext = regexp.MustCompile(`\bgithub\.(?:actor|triggering_actor|actor_id)\b|\bgithub\.event\.(?:sender|pusher)\b|\bgithub\.event\.pull_request\.user\b`)

func botConditions(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if m := actorContext.FindString(bare(text)); m != "" {
			g.place(w, j, n, "%s decides", m)
		}
	})
}

func unsoundCondition(g *github, w *workflow) {
	check := func(j *job, n node) {
		text := n.text()
		if !strings.Contains(text, "${{") {
			return
		}
		whole := strings.HasPrefix(text, "${{") && strings.HasSuffix(text, "}}")
		if !whole || strings.Count(text, "${{") != 1 {
			g.atJob(w, j, n, "the condition has text around its expression, and is always true")
		}
	}
	for _, j := range w.jobs {
		check(j, j.node.get("if"))
		for _, s := range j.steps {
			check(j, s.node.get("if"))
		}
	}
}

var containsText = regexp.MustCompile(`\bcontains\(\s*'`)

func unsoundContains(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if containsText.MatchString(text) {
			g.place(w, j, n, "contains() looks in a text")
		}
	})
}

var emptyMiddle = regexp.MustCompile(`&&\s*(?:''|false|0|null)\s*\|\|`)

func unsoundTernary(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if emptyMiddle.MatchString(text) {
			g.place(w, j, n, "the middle of && || is empty, so the last always wins")
		}
	})
}

var computed = regexp.MustCompile(`\b(?:secrets|vars|github|env)\s*\[`)

func obfuscation(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if m := computed.FindString(bare(text)); m != "" {
			g.place(w, j, n, "%s...] is a computed name", m)
		}
	})
	eachUse(w, func(j *job, s *step, u node) {
		if strings.Contains(u.text(), "..") || strings.Contains(u.text(), "//") || strings.Contains(u.text(), "/./") {
			g.atStep(w, j, s, u, "%s is not the plain name of an action", u.text())
		}
	})
}

var (
	stepOutput = regexp.MustCompile(`\bsteps\.([A-Za-z0-9_-]+)\.outputs\.([A-Za-z0-9_-]+)`)
	jobOutput  = regexp.MustCompile(`\bneeds\.([A-Za-z0-9_-]+)\.outputs\.([A-Za-z0-9_-]+)`)
)

// unwrittenOutput knows the output of a script that writes GITHUB_OUTPUT by its
// own hand. A program that is handed the file writes what it likes: that is
// for the program's tests.
func unwrittenOutput(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if j == nil {
			return
		}
		for _, m := range stepOutput.FindAllStringSubmatch(bare(text), -1) {
			if !writes(j, m[1], m[2]) {
				g.atJob(w, j, n, "no step %s writes the output %s", m[1], m[2])
			}
		}
		for _, m := range jobOutput.FindAllStringSubmatch(bare(text), -1) {
			from := w.job(m[1])
			needed := false
			for _, id := range j.node.get("needs").texts() {
				needed = needed || id == m[1]
			}
			if from == nil || !needed || !from.node.get("outputs", m[2]).there() && !from.node.get("uses").there() {
				g.atJob(w, j, n, "no job %s that this one needs has the output %s", m[1], m[2])
			}
		}
	})
}

func writes(j *job, id, output string) bool {
	for _, s := range j.steps {
		if s.node.get("id").text() != id {
			continue
		}
		run := s.node.get("run").text()
		own := regexp.MustCompile(`\b` + regexp.QuoteMeta(output) + `(?:=|<<)`)
		return s.node.get("uses").there() || strings.Contains(run, "GITHUB_OUTPUT") && (own.MatchString(run) || handed.MatchString(run))
	}
	return false
}

// handed is a program that is given the file itself.
var handed = regexp.MustCompile(`--[a-z-]+[ =]"\$GITHUB_OUTPUT"`)
