package audit

import (
	"encoding/json"
	"regexp"
	"slices"
	"strings"
)

var actionAudits = []Audit{
	{Name: "unpinned-uses", Doc: "An action is a whole commit, which nobody can move.", github: unpinnedUses},
	{Name: "ref-version-mismatch", Doc: "The version behind a commit is the one that the commit is, by the pins file and by a table of known ones: people and bots go by the version.", github: refVersionMismatch},
	{Name: "artipacked", Doc: "A checkout leaves no token behind, where a later step or an artifact could find it.", github: artipacked},
	{Name: "cache-poisoning", Doc: "No job restores a cache of the forge, which another branch could have filled: layers come from the registry, by key.", github: cachePoisoning},
	{Name: "unpinned-images", Doc: "The image of a job or of a service is a digest.", github: unpinnedImages},
	{Name: "adhoc-packages", Doc: "No script runs what it just fetched, or installs whatever is newest.", github: adhocPackages},
}

var commitUse = regexp.MustCompile(`^([A-Za-z0-9_.-]+/[A-Za-z0-9_./-]+)@([0-9a-f]{40})$`)

// use is what a step or a job uses that is not of the repository itself.
func eachUse(w *workflow, do func(*job, *step, node)) {
	for _, j := range w.jobs {
		if u := j.node.get("uses"); u.there() && !strings.HasPrefix(u.text(), "./") {
			do(j, &step{name: "of the job", node: j.node}, u)
		}
		for _, s := range j.steps {
			if u := s.node.get("uses"); u.there() && !strings.HasPrefix(u.text(), "./") {
				do(j, s, u)
			}
		}
	}
}

func unpinnedUses(g *github, w *workflow) {
	eachUse(w, func(j *job, s *step, u node) {
		if !commitUse.MatchString(u.text()) {
			g.atStep(w, j, s, u, "%s is not a commit", u.text())
		}
	})
}

func refVersionMismatch(g *github, w *workflow) {
	eachUse(w, func(j *job, s *step, u node) {
		m := commitUse.FindStringSubmatch(u.text())
		if m == nil {
			return
		}
		version := u.comment()
		p, pinned := g.pins[m[1]]
		known, isKnown := g.rules.Known[m[1]+"@"+version]
		switch {
		case version == "":
			g.atStep(w, j, s, u, "no version stands behind %s", m[1])
		case isKnown && known != m[2]:
			g.atStep(w, j, s, u, "%s %s is the commit %.12s, not %.12s", m[1], version, known, m[2])
		case len(g.pins) > 0 && (!pinned || p != pin{m[2], version}):
			g.atStep(w, j, s, u, "%s %.12s %s is not what %s says", m[1], m[2], version, pinsFile)
		}
	})
}

func artipacked(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		if strings.HasPrefix(s.node.get("uses").text(), "actions/checkout@") && s.node.get("with", "persist-credentials").text() != "false" {
			g.atStep(w, j, s, s.node.get("with"), "the checkout leaves its token in the work tree")
		}
	})
}

func cachePoisoning(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		uses := s.node.get("uses").text()
		cache := s.node.get("with", "cache")
		switch {
		case strings.HasPrefix(uses, "actions/cache"):
			g.atStep(w, j, s, node{}, "the step restores a cache")
		case strings.HasPrefix(uses, "actions/setup-") && cache.text() != "false":
			g.atStep(w, j, s, cache, "the step restores a cache unless it is told cache: false")
		}
	})
}

var imageDigest = regexp.MustCompile(`@sha256:[0-9a-f]{64}$`)

// imageByClass chooses among images by what a matrix says.
var imageByClass = regexp.MustCompile(`^\$\{\{ fromJSON\('(\{[^']*\})'\)\[matrix\.[a-z_-]+\] \|\| '' \}\}$`)

// pinnedImage tells whether a text is the digest of an image, or chooses one of
// some.
func pinnedImage(text string) bool {
	m := imageByClass.FindStringSubmatch(text)
	if m == nil {
		return imageDigest.MatchString(text)
	}
	var images map[string]string
	if json.Unmarshal([]byte(m[1]), &images) != nil {
		return false
	}
	for _, image := range images {
		if !imageDigest.MatchString(image) {
			return false
		}
	}
	return true
}

func unpinnedImages(g *github, w *workflow) {
	for _, j := range w.jobs {
		images := []node{j.node.get("container", "image")}
		if c := j.node.get("container"); !c.isMapping() {
			images[0] = c
		}
		for _, s := range j.node.get("services").entries() {
			images = append(images, s.value.get("image"))
		}
		for _, i := range images {
			if i.there() && !pinnedImage(i.text()) {
				g.atJob(w, j, i, "the image %s is not a digest", i.text())
			}
		}
	}
	eachUse(w, func(j *job, s *step, u node) {
		if image, is := strings.CutPrefix(u.text(), "docker://"); is && !imageDigest.MatchString(image) {
			g.atStep(w, j, s, u, "the image %s is not a digest", image)
		}
	})
}

// adhoc are the ways in which a script runs what it has just fetched, or gets
// whatever version is newest.
var adhoc = []*regexp.Regexp{
	regexp.MustCompile(`\b(?:curl|wget)\b[^\n|;]*\|[^\n]*\b(?:ba|da|z)?sh\b`),
	regexp.MustCompile(`\b(?:bash|sh|eval)\s+(?:-c\s+)?["']?(?:<\(|\$\()\s*(?:curl|wget)\b`),
	regexp.MustCompile(`\bgo (?:install|run)\s+[^\n]*@(?:latest|master|main)\b`),
	regexp.MustCompile(`\b(?:npx|pipx run|uvx)\s`),
	regexp.MustCompile(`\bnpm (?:install|i)\b[^\n]*(?:-g|--global)\b`),
	regexp.MustCompile(`\bpip3? install\s+(?:[^\n-][^\n=]*)$`),
}

func adhocPackages(g *github, w *workflow) {
	w.eachStep(func(j *job, s *step) {
		if what := adhocIn(s.node.get("run").text()); what != "" {
			g.atStep(w, j, s, s.node.get("run"), "the script runs what was not checked: %s", what)
		}
	})
}

func adhocIn(script string) string {
	for line := range strings.Lines(strings.ReplaceAll(script, "\\\n", " ")) {
		i := slices.IndexFunc(adhoc, func(r *regexp.Regexp) bool { return r.MatchString(strings.TrimSpace(line)) })
		if i >= 0 {
			return strings.TrimSpace(line)
		}
	}
	return ""
}
