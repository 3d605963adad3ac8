package ci

import (
	"bufio"
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// reported is a line of gitlab-ci-local's closing report.
var reported = regexp.MustCompile(`(?m)^ (PASS|FAIL|WARN)  (?:\[\S+\] -> )?(\S.*?)(?: +pre_script)?\s*$`)

// gitlabCILocal runs gitlab-ci-local in the repository. It must not see our
// environment: what it sees, jobs see.
func (f *fleet) gitlabCILocal(args ...string) (stdout, stderr string, err error) {
	f.t.Helper()
	node := filepath.Join(enginetest.Root(f.t), ".cache", "node")
	program, args := filepath.Join(node, "node"), append([]string{
		filepath.Join(node, "node_modules", "gitlab-ci-local", "dist", "index.js"),
		"--force-shell-executor", "--shell-isolation", "--no-artifacts-to-source", "--no-color",
	}, args...)
	if f.alone {
		program, args = "unshare", append([]string{"--mount", "--pid", "--fork", "--kill-child", "--mount-proc", program}, args...)
	}
	return f.run(f.Dir, f.env, program, args...)
}

// gitlab executes the pipeline that starts with the given variables, and its
// child, or only some of its jobs. A value of "-" unsets a variable.
func (f *fleet) gitlab(variables map[string]string, jobs ...string) results {
	f.t.Helper()
	before := f.generated()
	f.projectVariables()
	out, errs, err := f.gitlabCILocal(append(gitlabVariables(variables), jobs...)...)
	r := readGitLab(out + errs)
	if after := f.generated(); !maps.Equal(before, after) {
		f.t.Error("a generated file changed while it was executed")
	}
	failed := slices.Contains(slices.Collect(maps.Values(r.jobs)), "failure")
	if err != nil && !failed || len(r.jobs) == 0 {
		f.t.Fatalf("gitlab-ci-local ended with %v, though its jobs are %v\n%s", err, r.jobs, r.tail())
	}
	return r
}

// projectVariables gives f.logins to the jobs of every pipeline, as GitLab does
// with the variables of a project: options are for the parent pipeline alone.
// What another run had goes.
func (f *fleet) projectVariables() {
	f.t.Helper()
	global := f.logins
	if global == nil {
		global = map[string]string{}
	}
	text, err := json.Marshal(map[string]any{"global": global}) // YAML, too
	if err != nil {
		f.t.Fatal(err)
	}
	dir := filepath.Join(f.scratch, "home", ".gitlab-ci-local")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		f.t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "variables.yml"), text, 0o600); err != nil {
		f.t.Fatal(err)
	}
}

// child runs the child pipeline that the last parent's plan wrote, as a
// pipeline of its own: gitlab-ci-local lets a parent succeed whatever its
// child does. The error is its exit code.
func (g gitLab) child() error {
	g.t.Helper()
	const name = "child.yml"
	text, err := os.ReadFile(filepath.Join(g.Dir, ".gitlab-ci-local/artifacts/rootfsgen-plan/rootfsgen-ci", name))
	if err != nil {
		g.t.Fatal(err)
	}
	g.Write(map[string]string{name: string(text)})
	g.Git("add", "-f", "--intent-to-add", name) // jobs see tracked files only
	defer g.Git("rm", "-q", "-f", name)
	out, errs, err := g.gitlabCILocal(append([]string{"--file", name}, gitlabVariables(map[string]string{"CI_PIPELINE_SOURCE": "parent_pipeline"})...)...)
	if r := readGitLab(out + errs); len(r.jobs) < 2 {
		g.t.Fatalf("the child pipeline did not run: %v\n%s", err, r.tail())
	}
	return err
}

// gitlabVariables are gitlab-ci-local's options for an event.
func gitlabVariables(variables map[string]string) []string {
	var args, ours []string
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		if variables[name] == "-" {
			args = append(args, "--unset-variable", name)
			continue
		}
		ours = append(ours, name)
		args = append(args, "--variable", name+"="+variables[name])
	}
	if len(ours) > 0 {
		args = append(args, "--ignore-predefined-vars", strings.Join(ours, ","))
	}
	return args
}

// readGitLab reads the closing reports of a pipeline and its child. A job that
// did not run is not in them.
func readGitLab(out string) results {
	r := results{jobs: map[string]string{}}
	for _, m := range reported.FindAllStringSubmatch(out, -1) {
		if strings.HasPrefix(m[2], "Avoid") || strings.HasPrefix(m[2], "downstream") {
			continue // the tool's own advice
		}
		r.jobs[gitlabJob(m[2])] = map[string]string{"PASS": "success", "FAIL": "failure", "WARN": "warning"}[m[1]]
	}
	for s := bufio.NewScanner(strings.NewReader(out)); s.Scan(); {
		r.log = append(r.log, s.Text())
	}
	return r
}

// gitlabLeg is a job of a wave: "build:1.1:amd64: [base]".
var gitlabLeg = regexp.MustCompile(`^(build|merge):[0-9]+\.[0-9]+(?::(amd64|arm64))?\S*: \[(\S+?)(?:,.*)?\]$`)

// gitlabJob is the name that both forges share for a job.
func gitlabJob(name string) string {
	if m := gitlabLeg.FindStringSubmatch(name); m != nil {
		if m[2] == "" {
			return m[1] + " " + m[3]
		}
		return m[1] + " " + m[3] + " linux/" + m[2]
	}
	parts := strings.Split(name, ":")
	switch {
	case len(parts) == 3:
		return parts[0] + " " + parts[1] + " linux/" + parts[2]
	case len(parts) == 2:
		return parts[0] + " " + parts[1]
	case name == "plan":
		return "child's plan"
	}
	return strings.TrimPrefix(name, "rootfsgen-")
}
