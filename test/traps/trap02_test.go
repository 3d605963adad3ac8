package traps

import (
	"regexp"
	"strings"
	"testing"
)

// TestTrap02ShallowClone: runners clone without history and without tags.
// There a comparison with the last tag is empty, or fails and is taken for
// empty. We refuse to plan, say what to set, and write the setting into the
// pipelines that we generate.
func TestTrap02ShallowClone(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, prod: registry.example.com/prod}\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/base/motd": "2\n"})

	shallow := d.at(d.Clone("--depth=1")).in("CI=true")
	shallow.refuses(nil, "shallow", "fetch-depth: 0", "GIT_DEPTH")
	shallow.refuses([]string{"--from", "v1"}, "shallow", "git fetch --unshallow --tags")
	// Nor does a request know there where it parted from its branch.
	d.Git("checkout", "-q", "-b", "topic", "v1")
	d.Commit(map[string]string{"images/base/motd": "3\n"})
	d.at(d.Clone("--depth=1", "--no-single-branch", "--branch=topic")).in("CI=true").refuses([]string{"--scope", "pr"}, "shallow")

	d.ok("generate")
	for name, start := range map[string]string{
		".github/workflows/rootfsgen-fleet.yml": `(?m)^  [\w-]+:$`, ".gitlab/rootfsgen/pipeline.yml": `(?m)^[\w:.-]+:$`,
	} {
		plans := 0
		for _, job := range cut(d.read(name), start) {
			if !strings.Contains(job, "rootfsgen plan ") {
				continue
			}
			plans++
			if !strings.Contains(job, "fetch-depth: 0\n") && !strings.Contains(job, "GIT_DEPTH: \"0\"\n") {
				t.Errorf("%s: a job plans without the whole history:\n%s", name, job)
			}
		}
		if plans == 0 {
			t.Errorf("%s plans nowhere", name)
		}
	}
}

// cut divides a text before each match of a regular expression.
func cut(text, before string) []string {
	var parts []string
	from := 0
	for _, at := range regexp.MustCompile(before).FindAllStringIndex(text, -1) {
		parts = append(parts, text[from:at[0]])
		from = at[0]
	}
	return append(parts, text[from:])
}
