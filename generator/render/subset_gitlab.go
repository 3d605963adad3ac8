package render

import (
	"fmt"
	"reflect"
	"slices"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// proveSubset checks that every job of a child pipeline is a job of the
// committed fleet: with legs that one has, and waiting for every job that one
// waits for and that is in the child, and for no other but what these wait
// for. Only the job that carries the plan has a script of its own.
func proveSubset(child, committed []byte) error {
	if len(committed) == 0 {
		return &DriftError{File: GitLabFleet, Why: "is missing"}
	}
	some, err := readGitLab(pipeline.ChildFile, child)
	if err != nil {
		return err
	}
	all, err := readGitLab(GitLabFleet, committed)
	if err != nil {
		return err
	}
	for name := range some {
		if _, found := all[name]; !found {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has no job %q", name)}
		}
		if name != stagePlan && !all.lets(name, some) {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has a job %q that waits for others than it must", name)}
		}
		if !within(some.legs(name), all.legs(name)) {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has a job %q without all of its legs", name)}
		}
		ours, theirs := some.rest(name), all.rest(name)
		if some.first(name) {
			delete(ours, "rules") // it waits for nothing that could fail
			delete(theirs, "rules")
		}
		if !reflect.DeepEqual(ours, theirs) {
			return &DriftError{File: GitLabFleet, Why: fmt.Sprintf("has a different job %q", name)}
		}
	}
	return nil
}

// gitlabJobs is what a GitLab file holds at its top.
type gitlabJobs map[string]any

func readGitLab(name string, text []byte) (gitlabJobs, error) {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return nil, fmt.Errorf("reading %s: %w", name, err)
	}
	return doc, nil
}

// part is one keyword of a job, nil where it has none.
func (f gitlabJobs) part(name, keyword string) any {
	job, _ := f[name].(map[string]any)
	return job[keyword]
}

func (f gitlabJobs) needs(name string) []any {
	needs, _ := f.part(name, "needs").([]any)
	return needs
}

func (f gitlabJobs) legs(name string) []any {
	parallel, _ := f.part(name, "parallel").(map[string]any)
	legs, _ := parallel["matrix"].([]any)
	return legs
}

// first tells whether a job waits for no job of an image.
func (f gitlabJobs) first(name string) bool {
	return !slices.ContainsFunc(f.needs(name), func(need any) bool { return jobOf(need) != "" && jobOf(need) != stagePlan })
}

// rest is what must be the same in a part: of a job everything but needs and
// legs, and the script that carries a plan.
func (f gitlabJobs) rest(name string) map[string]any {
	job, is := f[name].(map[string]any)
	if !is {
		return map[string]any{"": f[name]}
	}
	rest := map[string]any{"has legs": f.legs(name) != nil}
	for k, v := range job {
		if k != "needs" && k != "parallel" && (name != stagePlan || k != "script") {
			rest[k] = v
		}
	}
	return rest
}

// lets tells whether a job of a part waits as it must.
func (f gitlabJobs) lets(name string, some gitlabJobs) bool {
	for _, need := range f.needs(name) {
		_, there := some[jobOf(need)]
		if (there || jobOf(need) == "") && !within([]any{need}, some.needs(name)) {
			return false
		}
	}
	var before map[string]bool
	for _, need := range some.needs(name) {
		if within([]any{need}, f.needs(name)) {
			continue
		}
		if before == nil {
			before = map[string]bool{}
			f.collect(name, before)
		}
		if !before[jobOf(need)] {
			return false
		}
	}
	return true
}

// collect adds every job that one waits for, by way of others, too.
func (f gitlabJobs) collect(name string, before map[string]bool) {
	for _, need := range f.needs(name) {
		if job := jobOf(need); job != "" && !before[job] {
			before[job] = true
			f.collect(job, before)
		}
	}
}

// jobOf is the job of the same pipeline that is needed, empty for one of
// another.
func jobOf(need any) string {
	m, _ := need.(map[string]any)
	if _, elsewhere := m["pipeline"]; elsewhere {
		return ""
	}
	name, _ := m["job"].(string)
	return name
}

// within tells whether every item of one list is in another.
func within(some, all []any) bool {
	for _, item := range some {
		if !slices.ContainsFunc(all, func(o any) bool { return reflect.DeepEqual(item, o) }) {
			return false
		}
	}
	return true
}
