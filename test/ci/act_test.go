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

// standIns are the third-party actions that do not run here: each is done by
// the script of the same name in testdata/stubs.
var standIns = []string{
	"actions/checkout",
	"actions/download-artifact",
	"actions/setup-go",
	"actions/upload-artifact",
}

// uses finds the actions of a workflow: name, commit.
var uses = regexp.MustCompile(`(?m)^\s+(?:- )?uses: "?([^\s"@]+)@([0-9a-f]{40})\b`)

// misled are act's messages after which it goes on and reports success.
var misled = regexp.MustCompile(`Error while evaluating matrix|Skipping unsupported platform|unable to build dependency graph`)

// noTerminal starts a program that can open no terminal. A runner has none; act
// gives each step one where it can, and then loses what a step that fails
// printed last: it doesn't wait until the terminal is read to its end.
var noTerminal = []string{"sh", "-c", `mount --bind /dev/null /dev/ptmx && exec "$@"`, "sh"}

// workflow is one event that starts one workflow.
type workflow struct {
	event   string         // GitHub's name of the event
	file    string         // in .github/workflows
	payload map[string]any // what the event says beside the repository
	env     []string       // "NAME=value", beside what every runner has
	without []string       // names of variables that this runner lacks
	secrets []string       // "NAME=value"
	alone   bool           // on a machine of its own: no process and no mount outlives it
}

// act executes a workflow and returns the result of each job. Our programs,
// the engines and the registry are real.
func (f *fleet) act(w workflow) results {
	f.t.Helper()
	before := f.generated()
	payload := map[string]any{"repository": map[string]any{"full_name": "acme/images", "default_branch": "main"}}
	maps.Copy(payload, w.payload)
	text, err := json.Marshal(payload)
	if err != nil {
		f.t.Fatal(err)
	}
	event := filepath.Join(f.scratch, "event.json")
	if err := os.WriteFile(event, text, 0o644); err != nil {
		f.t.Fatal(err)
	}
	// Artifacts belong to one run of a workflow.
	if err := os.RemoveAll(f.artifacts); err != nil {
		f.t.Fatal(err)
	}
	if err := os.Mkdir(f.artifacts, 0o755); err != nil {
		f.t.Fatal(err)
	}
	args := []string{
		w.event, "-W", ".github/workflows/" + w.file, "-e", event, "--json", "-v", "--strict",
		"--action-offline-mode", "--pull=false", "--container-daemon-socket", "-", "--no-cache-server", "--no-skip-checkout",
		"--action-cache-path", filepath.Join(f.scratch, "actions"), "--concurrent-jobs", "2",
		"--env-file", "/dev/null", "--secret-file", "/dev/null", "--var-file", "/dev/null", "--input-file", "/dev/null",
		"--env", "CI_ORIGIN=file://" + f.origin, "--env", "CI_ARTIFACTS=" + f.artifacts,
		"-s", "GITHUB_TOKEN=a-token-that-opens-nothing",
	}
	for _, label := range []string{"self-hosted", "ubuntu-24.04"} {
		args = append(args, "-P", label+"=-self-hosted")
	}
	for _, v := range w.env {
		args = append(args, "--env", v)
	}
	for _, name := range slices.Sorted(maps.Keys(f.logins)) {
		args = append(args, "-s", name+"="+f.logins[name])
	}
	for _, v := range w.secrets {
		args = append(args, "-s", v)
	}
	args = append(args, f.replacements(before)...)
	env := slices.DeleteFunc(slices.Clone(f.env), func(v string) bool {
		name, _, _ := strings.Cut(v, "=")
		return slices.Contains(w.without, name)
	})
	spaces := []string{"--mount"}
	if w.alone {
		spaces = append(spaces, "--pid", "--fork", "--kill-child", "--mount-proc")
	}
	args = append([]string{filepath.Join(enginetest.Bin(f.t), "act")}, args...)
	out, errs, err := f.run(f.Dir, env, "unshare", slices.Concat(spaces, noTerminal, args)...)
	r := readAct(out)
	if after := f.generated(); !maps.Equal(before, after) {
		f.t.Error("a generated file changed while it was executed")
	}
	failed := slices.Contains(slices.Collect(maps.Values(r.jobs)), "failure")
	if m := misled.FindString(out + errs); m != "" || (err != nil) != failed {
		f.t.Fatalf("act misled itself (%q) or ended with %v, though its jobs are %v\n%s\n%s", m, err, r.jobs, r.tail(), lastLines(errs, 20))
	}
	return r
}

// lastLines are the n last lines of a text.
func lastLines(text string, n int) string {
	lines := strings.Split(strings.TrimSpace(text), "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

// replacements are act's options that put a stand-in in the place of every
// action that the workflows name.
func (f *fleet) replacements(files map[string]string) []string {
	f.t.Helper()
	stubs, err := filepath.Abs("testdata/stubs")
	if err != nil {
		f.t.Fatal(err)
	}
	var args []string
	for _, path := range slices.Sorted(maps.Keys(files)) {
		for _, m := range uses.FindAllStringSubmatch(files[path], -1) {
			if !slices.Contains(standIns, m[1]) {
				f.t.Fatalf("%s uses %s, which has no stand-in", path, m[1])
			}
			option := m[1] + "@" + m[2] + "=" + filepath.Join(stubs, filepath.Base(m[1]))
			if !slices.Contains(args, option) {
				args = append(args, "--local-repository", option)
			}
		}
	}
	return args
}

// results is how the jobs of one pipeline ended. A job that did not run at all
// is "skipped".
type results struct {
	jobs map[string]string
	log  []string // what the jobs printed, "job: line"
}

// readAct reads act's JSON lines. A job that is called through reusable
// workflows has all their names. A leg of a matrix that ends after one that
// failed is said to have failed, too: it has if a step of its own did.
func readAct(out string) results {
	r, broken := results{jobs: map[string]string{}}, map[string]bool{}
	s := bufio.NewScanner(strings.NewReader(out))
	s.Buffer(nil, 1<<24)
	for s.Scan() {
		var line struct {
			Job       string `json:"job"`
			JobResult string `json:"jobResult"`
			Step      string `json:"stepResult"`
			Msg       string `json:"msg"`
			Level     string `json:"level"`
			RawOutput bool   `json:"raw_output"`
		}
		if json.Unmarshal(s.Bytes(), &line) != nil {
			continue
		}
		job := actJob(line.Job)
		broken[job] = broken[job] || line.Step == "failure"
		if line.JobResult != "" {
			r.jobs[job] = line.JobResult
			if line.JobResult == "failure" && actLeg.MatchString(strings.TrimSpace(line.Job)) && !broken[job] {
				r.jobs[job] = "success"
			}
		}
		if line.RawOutput || line.Level == "error" || line.Level == "warning" {
			r.log = append(r.log, job+": "+strings.TrimSpace(line.Msg))
		}
	}
	return r
}

// tail is the end of what the jobs that failed printed, or of all when none
// did.
func (r results) tail() string {
	failed := slices.DeleteFunc(slices.Clone(r.log), func(l string) bool {
		job, _, _ := strings.Cut(l, ": ")
		return r.jobs[job] != "failure"
	})
	if len(failed) == 0 {
		failed = r.log
	}
	return strings.Join(failed[max(0, len(failed)-120):], "\n")
}

// actLeg is the number that act gives a leg of a matrix.
var actLeg = regexp.MustCompile(`^(.*linux/(?:amd64|arm64))-[0-9]+$`)

// actJob is the name that both forges share for a job: act's is that of each
// workflow and job on the way, "build app/rootfsgen build/linux/amd64-1".
func actJob(name string) string {
	name = strings.TrimSpace(name)
	if m := actLeg.FindStringSubmatch(name); m != nil {
		name = m[1]
	}
	for _, prefix := range []string{"fleet/rootfsgen fleet/", "rootfsgen push/", "rootfsgen request/", "rootfsgen release/", "rootfsgen queue/", "rootfsgen manual/", "rootfsgen bases/", "rootfsgen lock/", "rootfsgen closed/", "rootfsgen merged/", "rootfsgen rescan/", "rootfsgen watchdog/", "rootfsgen / "} {
		name = strings.TrimPrefix(name, prefix)
	}
	name = strings.Replace(name, "/rootfsgen build/", " ", 1)
	return strings.TrimSuffix(name, "/rootfsgen merge/index")
}
