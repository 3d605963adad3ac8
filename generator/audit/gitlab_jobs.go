package audit

import (
	"slices"
	"strings"
)

func gitlabTimeout(g *gitlab) {
	g.each(func(j *glJob) {
		if j.get("script").there() && !j.hidden() && !j.get("timeout").there() {
			g.atJob(j, node{}, "the job has no time limit")
		}
	})
}

// written are variables whose text anybody can choose who may push or open a
// request.
func gitlabIDTokens(g *gitlab) {
	g.each(func(j *glJob) {
		for _, e := range j.node.get("id_tokens").entries() {
			aud := strings.Join(e.value.get("aud").texts(), " ")
			if aud == "" || strings.ContainsAny(aud, " *$") || ofForge(aud) {
				g.atJob(j, e.key, "the token %s is for anybody", e.key.text())
			}
		}
	})
}

// ofForge tells whether an audience is the address of a GitLab, which every
// service of a company may accept.
func ofForge(audience string) bool {
	host, is := strings.CutPrefix(audience, "https://")
	return is && strings.HasPrefix(host, "gitlab.") && !strings.Contains(strings.TrimSuffix(host, "/"), "/")
}

func gitlabInterruptible(g *gitlab) {
	g.each(func(j *glJob) {
		n := j.get("interruptible")
		switch {
		case !j.get("script").there() || j.hidden():
		case !n.there():
			g.atJob(j, node{}, "the job does not say whether it may be interrupted")
		case j.publishes() && n.text() != "false":
			g.atJob(j, n, "a job that publishes may be interrupted")
		}
	})
}

// publishes tells whether the job writes to where others look: it has an
// environment that is deployed to, and not only looked into, and that is more
// than one request's own.
func (j *glJob) publishes() bool {
	e := j.get("environment")
	return e.there() && e.get("action").text() != "access" && !strings.HasSuffix(j.environment(), "/mr-$CI_MERGE_REQUEST_IID")
}

func (j *glJob) environment() string {
	e := j.get("environment")
	if e.isMapping() {
		return e.get("name").text()
	}
	return e.text()
}

func gitlabResourceGroup(g *gitlab) {
	g.each(func(j *glJob) {
		if j.publishes() && !j.hidden() && j.get("resource_group").text() == "" {
			g.atJob(j, node{}, "two jobs may write to %s at once", j.environment())
		}
	})
}

func gitlabProtectedRefs(g *gitlab) {
	g.each(func(j *glJob) {
		if j.hidden() {
			return
		}
		for _, r := range j.get("rules").items() {
			cond := r.get("if").text()
			switch {
			case r.get("when").text() == "never" || strings.Contains(cond, `$CI_COMMIT_REF_PROTECTED == "true"`):
			case j.publishes():
				g.atJob(j, r, "the job runs for branches and tags that are not protected")
			case strings.Contains(cond, "$CI_COMMIT_TAG"):
				g.atJob(j, r, "a tag that anybody may push starts the job")
			}
		}
	})
}

// machineTrouble are the reasons for which a job may run again.
var machineTrouble = []string{
	"runner_system_failure", "stuck_or_timeout_failure", "scheduler_failure", "api_failure", "data_integrity_failure",
	"runner_interrupted", "runner_external_dependency_failure", "stuck_pending_with_matching_runners", "no_updates_running",
}

// again are the exit codes by which a program asks for another attempt, or says
// that its machine went away below it.
var again = []string{"75", "137", "143"}

func gitlabRetry(g *gitlab) {
	g.each(func(j *glJob) {
		r := j.node.get("retry")
		if !r.there() {
			return
		}
		when := r.get("when").texts()
		bad := !r.isMapping() || len(when) == 0
		for _, w := range when {
			bad = bad || !slices.Contains(machineTrouble, w)
		}
		for _, code := range r.get("exit_codes").texts() {
			bad = bad || !slices.Contains(again, code)
		}
		if bad {
			g.atJob(j, r, "the job runs again though it failed by itself")
		}
		if j.publishes() && j.environment() == "prod" {
			g.atJob(j, r, "a promotion runs again by itself")
		}
	})
}

func gitlabRules(g *gitlab) {
	g.each(func(j *glJob) {
		if j.hidden() && !j.node.get("rules").there() {
			return
		}
		rules := j.get("rules")
		if !rules.there() {
			g.atJob(j, node{}, "the job has no rules")
		}
		for _, key := range []string{"only", "except"} {
			if n := j.node.get(key); n.there() {
				g.atJob(j, n, "%s is not rules", key)
			}
		}
		for _, r := range rules.items() {
			if n := r.get("changes"); n.there() {
				g.atJob(j, n, "a rule is by changed files")
			}
		}
	})
}

func gitlabRetention(g *gitlab) {
	g.each(func(j *glJob) {
		a := j.node.get("artifacts")
		if n := a.get("expire_in"); a.there() && (!n.there() || n.text() == "never") {
			g.atJob(j, a, "nothing says how long the artifacts are kept")
		}
	})
}

func gitlabTrigger(g *gitlab) {
	g.each(func(j *glJob) {
		t := j.node.get("trigger")
		if t.there() && (t.get("strategy").text() != "depend" || j.node.get("script").there()) {
			g.atJob(j, t, "the job does not wait for what it starts")
		}
	})
}

func gitlabForkLogin(g *gitlab) {
	const fromFork = "$CI_MERGE_REQUEST_SOURCE_PROJECT_ID != $CI_MERGE_REQUEST_PROJECT_ID"
	g.each(func(j *glJob) {
		forks := false
		for _, r := range j.node.get("rules").items() {
			forks = forks || strings.Contains(r.get("if").text(), fromFork)
		}
		for _, s := range j.node.get("script").items() {
			if forks && strings.Contains(s.text(), "rootfsrun run") && !strings.Contains(s.text(), "unset DOCKER_AUTH_CONFIG ") {
				g.atJob(j, s, "a fork's code runs with the project's login")
			}
		}
		if n := j.node.get("id_tokens"); forks && n.there() {
			g.atJob(j, n, "a fork's code is given a token that says it is ours")
		}
	})
}
