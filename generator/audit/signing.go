package audit

import (
	"regexp"
	"strings"
)

var signingAudits = []Audit{
	{Name: "signing-beside-code", Doc: "Only a job that runs nothing of an image's may ask for a token to sign with: what a build runs could sign anything else.", github: signingBesideCode},
	{Name: "gitlab-signing-beside-code", Doc: "The same, and such a job is in the parent pipeline: a child's token speaks for no committed file.", gitlab: gitlabSigningBesideCode},
}

// The commands that sign, and those that run what people wrote: to compile is to
// run what the modules and their tools do then.
var (
	signing    = regexp.MustCompile(`\brootfsrun (?:sign|attest|promote)\b|\binternal/releaser sign\b`)
	peopleCode = regexp.MustCompile(`\brootfsrun (?:build|test|run)\b|\bmake release\b`)
)

// logsIn is set where a job's token is for a cloud that the job logs in to.
const logsIn = "ROOTFSGEN_GOOGLE_PROVIDER"

// signToken is the token by which a job signs on GitLab.
const signToken = "SIGSTORE_ID_TOKEN"

func signingBesideCode(g *github, w *workflow) {
	for _, j := range w.jobs {
		right := j.node.get("permissions", "id-token")
		if right.text() != "write" || j.node.get("uses").there() {
			continue
		}
		signs, cloud := false, false
		for _, s := range j.steps {
			run := s.node.get("run")
			signs = signs || signing.MatchString(run.text())
			cloud = cloud || s.node.get("env", logsIn).there()
		}
		if !signs && !cloud {
			g.atJob(w, j, right, "the job may ask for a token, and neither signs nor logs in with it")
		}
		for _, s := range j.steps {
			if run := s.node.get("run"); signs && peopleCode.MatchString(run.text()) {
				g.atStep(w, j, s, run, "an image's code runs in a job that signs")
			}
		}
	}
}

func gitlabSigningBesideCode(g *gitlab) {
	g.each(func(j *glJob) {
		token := j.get("id_tokens", signToken)
		for _, s := range j.get("script").items() {
			switch {
			case token.there() && peopleCode.MatchString(s.text()):
				g.atJob(j, s, "an image's code runs in a job that signs")
			case token.there() && !j.file.parent && !strings.HasSuffix(j.file.path, "/pipeline.yml"):
				g.atJob(j, s, "a job of a child pipeline signs")
			}
		}
	})
}
