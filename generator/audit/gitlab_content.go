package audit

import (
	"regexp"
	"slices"
	"strings"
)

func gitlabImages(g *gitlab) {
	check := func(f *glFile, n node) {
		image := n
		if n.isMapping() {
			image = n.get("name")
		}
		if image.there() && !imageDigest.MatchString(image.text()) {
			g.at(f, image, "the image %s is not a digest", image.text())
		}
	}
	for i := range g.files {
		f := &g.files[i]
		places := []node{f.root, f.root.get("default")}
		for _, j := range f.jobs {
			places = append(places, j.node)
		}
		for _, p := range places {
			check(f, p.get("image"))
			for _, s := range p.get("services").items() {
				check(f, s)
			}
		}
	}
}

var wholeCommit = regexp.MustCompile(`^[0-9a-f]{40}$`)

func gitlabInclude(g *gitlab) {
	for i := range g.files {
		f := &g.files[i]
		for _, n := range f.includes() {
			local := n.get("local").there() || !n.isMapping() && !strings.Contains(n.text(), "://")
			project := n.get("project").there() && wholeCommit.MatchString(n.get("ref").text())
			remote := n.get("remote").there() && strings.HasPrefix(n.get("integrity").text(), "sha256-")
			if !local && !project && !remote {
				g.at(f, n, "what is included can change without a commit here")
			}
			read := func(have glFile) bool { return includedBy(localOf(n), have.path) }
			if local && !slices.ContainsFunc(g.files, read) {
				g.at(f, n, "what is included is not in the repository, and nobody looked at it")
			}
		}
	}
}

var written = regexp.MustCompile(`\$\{?(CI_COMMIT_(?:MESSAGE|TITLE|DESCRIPTION|AUTHOR|BRANCH|TAG(?:_MESSAGE)?|REF_NAME)|CI_MERGE_REQUEST_(?:TITLE|DESCRIPTION|LABELS|MILESTONE|ASSIGNEES|SOURCE_BRANCH_NAME|TARGET_BRANCH_NAME)|CI_EXTERNAL_PULL_REQUEST_\w+|GITLAB_USER_\w+|TRIGGER_PAYLOAD)\b`)

func gitlabInjection(g *gitlab) {
	g.each(func(j *glJob) {
		for _, s := range j.scripts() {
			if m := written.FindStringSubmatch(s.text()); m != nil {
				g.atJob(j, s, "the script holds %s, which people write", m[1])
			}
		}
	})
}

func gitlabAdhoc(g *gitlab) {
	g.each(func(j *glJob) {
		for _, s := range j.scripts() {
			if what := adhocIn(s.text()); what != "" {
				g.atJob(j, s, "the script runs what was not checked: %s", what)
			}
		}
	})
}

func gitlabDebugTrace(g *gitlab) {
	for i := range g.files {
		f := &g.files[i]
		var look func(node)
		look = func(n node) {
			for _, e := range n.entries() {
				if k := e.key.text(); (k == "CI_DEBUG_TRACE" || k == "CI_DEBUG_SERVICES") && e.value.text() != "false" {
					g.at(f, e.key, "%s is switched on", k)
				}
				look(e.value)
			}
			for _, i := range n.items() {
				if i.Node != n.Node {
					look(i)
				}
			}
		}
		look(f.root)
		f.root.scalars(func(n node) {
			if strings.Contains(n.text(), "set -x") || strings.Contains(n.text(), "set -euxo") || strings.Contains(n.text(), "set -o xtrace") {
				g.at(f, n, "a script prints what it runs, with the values of its variables")
			}
		})
	}
}

func gitlabVariables(g *gitlab) {
	for i := range g.files {
		f := &g.files[i]
		places := []node{f.root.get("variables")}
		for _, j := range f.jobs {
			places = append(places, j.node.get("variables"))
		}
		for _, p := range places {
			for _, e := range p.entries() {
				if text := e.value.text(); passwordKey.MatchString(e.key.text()) && text != "" && !strings.HasPrefix(text, "$") {
					g.at(f, e.key, "a value is written for %s", e.key.text())
				}
			}
		}
	}
}

func gitlabCache(g *gitlab) {
	g.each(func(j *glJob) {
		if n := j.get("cache"); n.there() && len(n.entries())+len(n.items()) > 0 {
			g.atJob(j, n, "the job restores a cache")
		}
	})
}

func gitlabLooseShell(g *gitlab) {
	g.each(func(j *glJob) {
		for _, key := range []string{"before_script", "after_script"} {
			if n := j.get(key); n.there() {
				g.atJob(j, n, "%s runs beside the script", key)
			}
		}
		for _, s := range j.node.get("script").items() {
			if !strings.HasPrefix(s.text(), "set -euo pipefail\n") {
				g.atJob(j, s, "the script does not begin with set -euo pipefail")
			}
		}
	})
}

var dockerDaemon = regexp.MustCompile(`^(?:[^/]+/)*docker:.*dind|/var/run/docker\.sock|^tcp://docker:237[56]`)

func gitlabPrivileged(g *gitlab) {
	for i := range g.files {
		f := &g.files[i]
		f.root.scalars(func(n node) {
			if dockerDaemon.MatchString(n.text()) {
				g.at(f, n, "the job talks to a Docker daemon: %.60s", n.text())
			}
		})
	}
}
