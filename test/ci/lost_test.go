package ci

import (
	"cmp"
	"encoding/json"
	"maps"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"

	gocmp "github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// reaper passes requests on to a registry and, at one of them, kills whatever
// rootfsrun works in the fleet's jobs at that moment: a machine that is gone.
type reaper struct {
	proxy http.Handler
	below string // folder that all jobs work in

	mu     sync.Mutex
	seen   int
	fatal  int             // the request at which it kills, 0 for none
	killed map[string]bool // jobs whose programs it killed since it was armed
}

// ServeHTTP implements http.Handler.
func (r *reaper) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	if req.Method != http.MethodGet && req.Method != http.MethodHead {
		r.seen++
		if r.seen == r.fatal {
			r.kill()
		}
	}
	r.mu.Unlock()
	r.proxy.ServeHTTP(w, req)
}

// arm makes the n-th request from now on that writes something fatal, and
// tells how many there were since the last time, and which jobs were killed.
func (r *reaper) arm(n int) (since int, killed map[string]bool) {
	r.mu.Lock()
	defer r.mu.Unlock()
	since, killed = r.seen, r.killed
	r.seen, r.fatal, r.killed = 0, n, map[string]bool{}
	return since, killed
}

// kill ends the programs of ours that work below the folder.
func (r *reaper) kill() {
	found, _ := filepath.Glob("/proc/[0-9]*") // the pattern is well-formed
	for _, dir := range found {
		program, _ := os.Readlink(filepath.Join(dir, "exe"))
		at, _ := os.Readlink(filepath.Join(dir, "cwd"))
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err == nil && filepath.Base(program) == "rootfsrun" && strings.HasPrefix(at, r.below+"/") {
			job := jobOf(dir)
			if syscall.Kill(pid, syscall.SIGKILL) == nil { // else it has ended
				r.killed[job] = true
			}
		}
	}
}

// jobOf is the job that a process belongs to, by what its environment says.
func jobOf(dir string) string {
	text, _ := os.ReadFile(filepath.Join(dir, "environ")) // of a process that has ended there is none
	env := map[string]string{}
	for pair := range strings.SplitSeq(string(text), "\x00") {
		name, value, _ := strings.Cut(pair, "=")
		env[name] = value
	}
	return strings.Join(strings.Fields(env["GITHUB_JOB"]+" "+env["ROOTFSGEN_IMAGE"]+" "+env["ROOTFSGEN_PLATFORM"]), " ")
}

// attempts is how often a lost job runs in all, which is the default.
const attempts = 3

// spotFleet is a fleet whose jobs speak to the registry through r, and whose
// last attempts are on machines that stay.
func spotFleet(t *testing.T, r *reaper) *fleet {
	t.Helper()
	s := enginetest.Services(t)
	r.proxy = httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: s.Registry})
	server := httptest.NewServer(r)
	t.Cleanup(server.Close)
	prefix := strings.TrimPrefix(server.URL, "http://") + "/lost"
	text, err := os.ReadFile("testdata/fleet/rootfsgen.yaml")
	if err != nil {
		t.Fatal(err)
	}
	const classes = "runners:\n  spot-amd64: {on_demand: steady}\n  spot-arm64: {on_demand: steady}\n  steady: {github: [self-hosted, steady], gitlab: [steady]}\n"
	f := newFleet(t, "lost", map[string]string{"rootfsgen.yaml": strings.ReplaceAll(string(text), "@REGISTRY@", prefix) + classes})
	f.prefix, r.below = prefix, f.scratch
	return f
}

// TestLostMachines pushes to GitHub while machines are taken away in two of
// three attempts, and has the watchdog's workflow run again what was lost. In
// the end everything is as if no machine had been lost. The points are drawn,
// and the seed is fixed.
func TestLostMachines(t *testing.T) {
	t.Parallel()
	r := &reaper{}
	f := spotFleet(t, r)
	h := forgetest.NewGitHub(t, "acme", "images")
	draw := rand.New(rand.NewPCG(20261121, 4))
	writes, lost := 0, 0
	all := map[string]bool{}
	for round := range 3 {
		commit := f.push("main", map[string]string{"images/base/greeting": greeting(round)})
		h.Heads["main"] = commit
		run := forgetest.Run{ID: int64(round + 1), Workflow: "rootfsgen push", Commit: commit}
		for attempt := 1; ; attempt++ {
			fatal := 0
			if round > 0 && attempt < attempts { // the first round counts; later ones write less, as layers are there
				fatal = 1 + draw.IntN(writes/3)
			}
			r.arm(fatal)
			got := gitHub{f}.attempt(attempt)
			wrote, killed := r.arm(0)
			writes = max(writes, wrote)
			failed := tell(h, run, all, attempt, got, killed)
			t.Logf("round %d, attempt %d, killed at write %d: killed %v, failed: %v", round, attempt, fatal, killed, failed)
			if own := slices.DeleteFunc(slices.Clone(failed), func(name string) bool { return killed[name] }); len(own) > 0 {
				t.Fatalf("%v failed, and nobody killed them: only %v\n%s", own, slices.Sorted(maps.Keys(killed)), got.tail())
			}
			if len(failed) == 0 {
				f.expect("the watchdog after a run that ended well", f.watchdog(h.URL, run.ID, "success"), succeeded("-watchdog"))
				break
			}
			if lost++; fatal == 0 {
				t.Fatalf("nothing was killed, and %v failed\n%s", failed, got.tail())
			}
			f.watch(h, run.ID)
		}
		f.testing(everyImage)
	}
	if lost < 2 {
		t.Errorf("only %d attempts were lost", lost)
	}
	sameAsNeverLost(t, f, greeting(2))
}

// attempt pushes once more, as GitHub does when a run is repeated.
func (g gitHub) attempt(n int) results {
	return g.act(workflow{event: "push", file: "rootfsgen-push.yml", env: []string{"GITHUB_RUN_ATTEMPT=" + strconv.Itoa(n)}, payload: map[string]any{
		"ref": "refs/heads/main", "before": strings.Repeat("0", 40), "after": g.Git("rev-parse", "HEAD"),
	}})
}

// tell tells the forge how the jobs of an attempt ended: one whose program was
// killed is one whose machine went, any other failure is one of the job's own,
// and what act did not come to was skipped. It returns those that failed. As act runs every job again and not
// only what failed, the forge hears that each depends on all of these.
func tell(h *forgetest.Hub, run forgetest.Run, all map[string]bool, attempt int, got results, killed map[string]bool) (failed []string) {
	for name, ended := range got.jobs {
		all[name] = true
		if ended == "failure" {
			failed = append(failed, name)
		}
	}
	slices.Sort(failed)
	ended := map[string]forgetest.Job{}
	for _, name := range slices.Sorted(maps.Keys(all)) {
		j := forgetest.Job{Name: name, Conclusion: cmp.Or(got.jobs[name], "skipped")}
		switch {
		case killed[name] && slices.Contains(failed, name):
			j.Notes = []string{"The self-hosted runner: " + name + " lost communication with the server."}
		case slices.Contains(failed, name):
			j.Notes = []string{"Process completed with exit code 1."}
		default:
			j.Needs = failed
		}
		run.Jobs = append(run.Jobs, j)
		ended[name] = j
	}
	if attempt == 1 {
		h.Put(run)
	} else {
		h.Finish(run.ID, ended)
	}
	return failed
}

// watch lets the watchdog's workflow look at a run that has ended.
func (f *fleet) watch(h *forgetest.Hub, run int64) {
	f.t.Helper()
	before := h.Attempt(run)
	got := f.watchdog(h.URL, run, "failure")
	if d := gocmp.Diff(succeeded("watchdog"), got.jobs); d != "" || h.Attempt(run) != before+1 {
		f.t.Fatalf("the watchdog ran nothing again (-want +got):\n%s\n%s", d, got.tail())
	}
}

// watchdog executes the watchdog's workflow for a run of this repository that
// has ended, beside a GitHub whose API is at a URL.
func (f *fleet) watchdog(api string, run int64, conclusion string, env ...string) results {
	f.t.Helper()
	return f.act(workflow{
		event: "workflow_run", file: "rootfsgen-watchdog.yml",
		payload: map[string]any{"ref": "refs/heads/main", "action": "completed", "workflow_run": map[string]any{"id": run, "conclusion": conclusion}},
		env:     append(env, "GITHUB_API_URL="+api, "GITHUB_REPOSITORY=acme/images"),
		secrets: []string{"GITHUB_TOKEN=" + forgetest.Token},
	})
}

// greeting is another one in each round; the fleet's tests want its first
// word alone.
func greeting(round int) string { return "hello" + strings.Repeat("\n", round+2) }

// sameAsNeverLost compares what testing has with a fleet of the same files
// whose machines stayed.
func sameAsNeverLost(t *testing.T, f *fleet, says string) {
	t.Helper()
	calm := newFleet(t, "calm")
	calm.push("main", map[string]string{"images/base/greeting": says})
	if got := onGitHub(calm).push(); slices.Contains(slices.Collect(maps.Values(got.jobs)), "failure") {
		t.Fatal(got.tail())
	}
	platforms := func(f *fleet) map[string]any {
		all := map[string]any{}
		for _, i := range must(f.channel("manifest.testing.json")).Images {
			all[i.ID] = i.Platforms
		}
		return all
	}
	if diff := gocmp.Diff(platforms(calm), platforms(f)); diff != "" {
		t.Errorf("platforms in manifest.testing.json (-never lost +lost):\n%s", diff)
	}
}

// TestMachineOfAnAttempt has GitHub's own evaluator choose the machine of each
// attempt.
func TestMachineOfAnAttempt(t *testing.T) {
	t.Parallel()
	const choice = "fromJSON(github.run_attempt) >= 3 && matrix.on_demand || matrix.runner" // generator/render tests that it is this
	for attempt, want := range map[string]string{"1": `["spot"]`, "2": `["spot"]`, "3": `["steady"]`, "4": `["steady"]`, "10": `["steady"]`} {
		in, err := json.Marshal(map[string]any{"expression": choice, "contexts": map[string]any{
			"github": map[string]any{"run_attempt": attempt}, "matrix": map[string]any{"runner": []string{"spot"}, "on_demand": []string{"steady"}},
		}})
		if err != nil {
			t.Fatal(err)
		}
		node := filepath.Join(enginetest.Root(t), ".cache", "node")
		cmd := exec.CommandContext(t.Context(), filepath.Join(node, "node"), filepath.Join(node, "ghvalue.mjs"))
		cmd.Stdin = strings.NewReader(string(in))
		out, err := cmd.CombinedOutput()
		if got := strings.TrimSpace(string(out)); err != nil || got != want {
			t.Errorf("attempt %s: %s, want %s (%v)", attempt, got, want, err)
		}
	}
}
