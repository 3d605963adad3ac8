package audit

import (
	"regexp"
	"slices"
	"strings"
)

var secretAudits = []Audit{
	{Name: "secrets-inherit", Doc: "A called workflow is handed the secrets that it needs, each by name.", github: secretsInherit},
	{Name: "overprovisioned-secrets", Doc: "No expression takes all secrets at once.", github: overprovisionedSecrets},
	{Name: "unredacted-secrets", Doc: "No part of a secret is taken out of it: the forge hides the whole in logs, not the part.", github: unredactedSecrets},
	{Name: "secrets-outside-env", Doc: "A secret is read in a job with an environment, which can ask for a review and for certain branches.", github: secretsOutsideEnv},
	{Name: "secrets-in-steps", Doc: "A secret is in the environment of the step that needs it, never of a whole job or workflow.", github: secretsInSteps},
	{Name: "unmapped-secrets", Doc: "A called workflow is handed no secret that it does not declare, and reads none that it does not declare.", github: unmappedSecrets},
	{Name: "hardcoded-credentials", Doc: "No password is written into a workflow.", github: hardcodedCredentials},
	{Name: "fork-secrets", Doc: "What a fork's request reaches reads no secret, and has no right but to read.", github: forkSecrets},
}

func secretsInherit(g *github, w *workflow) {
	for _, j := range w.jobs {
		if n := j.node.get("secrets"); n.there() && !n.isMapping() {
			g.atJob(w, j, n, "all secrets are handed on")
		}
	}
}

var (
	allSecrets   = regexp.MustCompile(`(?i)\b(?:toJSON|format|join)\([^)]*\bsecrets\s*[,)]|^secrets$|\bsecrets\.\*`)
	partOfSecret = regexp.MustCompile(`(?i)\bfromJSON\(\s*secrets\.`)
	secretRead   = regexp.MustCompile(`\bsecrets\.([A-Za-z_][A-Za-z0-9_]*)`)
)

func overprovisionedSecrets(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if allSecrets.MatchString(bare(text)) {
			g.place(w, j, n, "the expression takes all secrets")
		}
	})
}

func unredactedSecrets(g *github, w *workflow) {
	w.everyExpression(func(j *job, n node, text string) {
		if partOfSecret.MatchString(bare(text)) {
			g.place(w, j, n, "a part of a secret is taken out of it")
		}
	})
}

// secretsOf are the names of the secrets that are read at and below n, with
// where.
func secretsOf(n node) map[string]node {
	found := map[string]node{}
	n.scalars(func(s node) {
		for _, x := range expressions(s, false) {
			for _, m := range secretRead.FindAllStringSubmatch(bare(x), -1) {
				found[m[1]] = s
			}
		}
	})
	return found
}

func secretsOutsideEnv(g *github, w *workflow) {
	for _, j := range w.jobs {
		if j.node.get("uses").there() || j.node.get("environment").there() {
			continue
		}
		for name, n := range secretsOf(j.node) {
			if name != "GITHUB_TOKEN" && !slices.Contains(g.rules.OutsideEnvironments, name) {
				g.atJob(w, j, n, "the secret %s is read without an environment", name)
			}
		}
	}
}

func secretsInSteps(g *github, w *workflow) {
	for name, n := range secretsOf(w.root.get("env")) {
		g.at(w, n, "every job has the secret %s", name)
	}
	for _, j := range w.jobs {
		for name, n := range secretsOf(j.node.get("env")) {
			g.atJob(w, j, n, "every step has the secret %s", name)
		}
		if token := j.node.get("env", "GITHUB_TOKEN"); token.there() {
			g.atJob(w, j, token, "every step has the job's token")
		}
	}
}

func unmappedSecrets(g *github, w *workflow) {
	for _, j := range w.jobs {
		callee := g.callee(j)
		if callee == nil {
			continue
		}
		declared := callee.events()["workflow_call"].get("secrets")
		for _, e := range j.node.get("secrets").entries() {
			if !declared.get(e.key.text()).there() {
				g.atJob(w, j, e.key, "%s does not declare the secret %s", callee.path, e.key.text())
			}
		}
	}
	if !w.called() {
		return
	}
	declared := w.events()["workflow_call"].get("secrets")
	for _, j := range w.jobs {
		for name, n := range secretsOf(j.node) {
			if !declared.get(name).there() {
				g.atJob(w, j, n, "the workflow does not declare the secret %s", name)
			}
		}
	}
}

var (
	passwordKey = regexp.MustCompile(`(?i)(?:password|passwd|token|secret|private[_-]?key)$`)
	urlPassword = regexp.MustCompile(`\b[a-z]+://[^/\s:@]+:[^/\s:@$]+@`)
)

func hardcodedCredentials(g *github, w *workflow) {
	written := func(e entry) bool {
		text := e.value.text()
		return passwordKey.MatchString(e.key.text()) && text != "" && !strings.Contains(text, "${{") && e.value.Tag == "!!str"
	}
	for _, j := range w.jobs {
		places := []node{j.node.get("env"), j.node.get("container", "credentials")}
		for _, s := range j.node.get("services").entries() {
			places = append(places, s.value.get("credentials"))
		}
		for _, s := range j.steps {
			places = append(places, s.node.get("env"), s.node.get("with"))
		}
		for _, p := range places {
			for _, e := range p.entries() {
				if written(e) {
					g.atJob(w, j, e.key, "a value is written for %s", e.key.text())
				}
			}
		}
		for _, p := range append(places, j.node.get("steps")) {
			p.scalars(func(n node) {
				if urlPassword.MatchString(n.text()) {
					g.atJob(w, j, n, "an address has a password in it")
				}
			})
		}
	}
}

func forkSecrets(g *github, w *workflow) {
	for _, j := range g.reachedByForks(w) {
		for name, n := range secretsOf(j.job.node) {
			g.atJob(j.workflow, j.job, n, "a fork's request reaches the secret %s", name)
		}
		for _, e := range j.job.node.get("permissions").entries() {
			if e.value.text() != "read" && e.value.text() != "none" {
				g.atJob(j.workflow, j.job, e.key, "a fork's request may %s: %s", e.key.text(), e.value.text())
			}
		}
		if n := j.job.node.get("environment"); n.there() {
			g.atJob(j.workflow, j.job, n, "a fork's request reaches an environment")
		}
	}
}
