package traps

import (
	"io/fs"
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTrap19ScheduleHasNoBase: a scheduled or manual run has no commit before
// it, and a forge's own path filters are true, or false, for reasons that have
// nothing to do with the files. No generated file has one; the plan of such a
// run is that of a push.
func TestTrap19ScheduleHasNoBase(t *testing.T) {
	t.Parallel()
	d := newDesk(t, map[string]string{
		"rootfsgen.yaml":         "version: 1\nregistry: {testing: registry.example.com/testing, pr: registry.example.com/pr, prod: registry.example.com/prod}\n",
		"images/base/Dockerfile": "FROM scratch\nCOPY motd /\n", "images/base/motd": "1\n", "images/app/Dockerfile": "FROM base\n",
	})
	d.Git("tag", "v1")
	d.Commit(map[string]string{"images/base/motd": "2\n"})
	for _, event := range [][]string{
		{"CI=true", "GITHUB_EVENT_NAME=schedule"}, {"CI=true", "GITHUB_EVENT_NAME=workflow_dispatch", "GITHUB_REF_TYPE=branch", "GITHUB_REF_NAME=main"},
		{"CI=true", "CI_PIPELINE_SOURCE=schedule", "CI_COMMIT_BEFORE_SHA=0000000000000000000000000000000000000000"}, {"CI=true", "CI_PIPELINE_SOURCE=web"},
	} {
		p := d.in(event...).plan()
		p.from("v1")
		p.builds("app", "base")
	}

	d.ok("generate")
	filter := regexp.MustCompile(`^\s*-?\s*(paths-ignore|changes|compare_to|only|except):|tj-actions/changed-files|dorny/paths-filter`)
	files := 0
	err := fs.WalkDir(os.DirFS(d.Dir), ".", func(p string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() || !strings.HasSuffix(p, ".yml") {
			return err
		}
		files++
		trigger := "" // the key at the left margin that a line belongs to
		for line := range strings.SplitSeq(d.read(p), "\n") {
			if line != "" && line[0] != ' ' && line[0] != '#' {
				trigger = line
			}
			if filter.MatchString(line) || strings.HasPrefix(trigger, "on:") && strings.HasPrefix(strings.TrimSpace(line), "paths:") {
				t.Errorf("%s filters by path: %s", p, line)
			}
		}
		return nil
	})
	if err != nil || files < 8 {
		t.Errorf("looked at %d generated files: %v", files, err)
	}
}
