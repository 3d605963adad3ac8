package lost

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// wire passes requests on to the registry, and at one of them takes away the
// machine of whoever is at work.
type wire struct {
	*httptest.Server
	proxy http.Handler

	mu       sync.Mutex
	seen     int
	fatal    int         // the request at which the machine goes, 0 for none
	late     bool        // the request is carried out first
	machine  *os.Process // whose process group it is
	tookAway bool
}

func newWire(t *testing.T, host string) *wire {
	w := &wire{proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host})}
	w.Server = httptest.NewServer(w)
	t.Cleanup(w.Close)
	return w
}

// ServeHTTP implements http.Handler.
func (w *wire) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	w.seen++
	now := w.seen == w.fatal && w.machine != nil
	late := w.late
	if now && !late {
		w.kill()
	}
	w.mu.Unlock()
	switch {
	case now && late:
		w.proxy.ServeHTTP(httptest.NewRecorder(), r)
		w.mu.Lock()
		w.kill()
		w.mu.Unlock()
		panic(http.ErrAbortHandler)
	case now:
		panic(http.ErrAbortHandler)
	}
	w.proxy.ServeHTTP(out, r)
}

// kill needs the lock. The process may have ended by itself.
func (w *wire) kill() {
	w.tookAway = syscall.Kill(-w.machine.Pid, syscall.SIGKILL) == nil
}

// arm makes the n-th request from now on fatal.
func (w *wire) arm(n int, late bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.seen, w.fatal, w.late, w.tookAway = 0, n, late, false
}

func (w *wire) attach(p *os.Process) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.machine = p
}

// works is a repository whose jobs run here.
type works struct {
	*gittest.Repo
	t   *testing.T
	env []string
	bin string
}

func newWorks(t *testing.T) *works {
	t.Helper()
	s, busybox := enginetest.Services(t), enginetest.Busybox(t)
	w := &works{t: t, Repo: gittest.New(t), bin: enginetest.Programs(t)}
	w.env = []string{
		"PATH=" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + t.TempDir(), "LANG=C.UTF-8",
		"BUILDKIT_HOST=" + s.BuildkitAddr, "GIT_CONFIG_NOSYSTEM=1",
	}
	w.Commit(map[string]string{
		".gitignore":             ".cache/\nbuild-artifacts/\nout/\n",
		"rootfsgen.yaml":         "version: 1\n",
		"images/base/Dockerfile": "FROM " + busybox + "\nRUN echo base > /base\n",
		"images/base/image.yaml": "arch: amd64\ntests:\n  - {name: base, cmd: test -s /base}\n",
		"images/app/Dockerfile":  "FROM base\nCOPY app.txt /\nRUN cp /app.txt /made\n",
		"images/app/app.txt":     "one\n",
		"images/app/image.yaml":  "arch: amd64\ntests:\n  - {name: app, cmd: test -s /made}\n",
	})
	return w
}

// jobs are those of one pipeline, in an order in which they may run.
var jobs = [][]string{
	{"build", "base"}, {"test", "base"}, {"merge", "base"},
	{"build", "app"}, {"test", "app"}, {"merge", "app"},
}

func (w *works) plan(prefix string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(w.bin, "rootfsgen"), "plan", "--registry", prefix, "--format", "json")
	cmd.Dir, cmd.Env = w.Dir, w.env
	out, err := cmd.Output()
	if err != nil {
		w.t.Fatal(err)
	}
	w.Write(map[string]string{"out/plan.json": string(out)})
}

// run runs one job, on a machine that the wire may take away, and returns its
// exit code, which is negative where a signal ended it.
func (w *works) run(over *wire, job []string) (int, string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(w.bin, "rootfsrun"), append(slices.Clone(job), "--plan", "out/plan.json")...)
	var errs strings.Builder
	cmd.Dir, cmd.Env, cmd.Stderr = w.Dir, w.env, &errs
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		w.t.Fatal(err)
	}
	over.attach(cmd.Process)
	err := cmd.Wait()
	over.attach(nil)
	if exit, is := errors.AsType[*exec.ExitError](err); err != nil && !is {
		w.t.Fatal(err)
	} else if is {
		return exit.ExitCode(), errs.String()
	}
	return 0, errs.String()
}

// pipeline runs every job, and one that was lost again. It counts the requests
// and tells which job was lost.
func (w *works) pipeline(over *wire, prefix string, fatal int, late bool) (requests int, lost string) {
	w.t.Helper()
	w.plan(prefix)
	over.arm(fatal, late)
	for _, job := range jobs {
		code, errs := w.run(over, job)
		over.mu.Lock()
		gone := over.tookAway
		over.tookAway, requests = false, over.seen
		over.mu.Unlock()
		switch {
		case gone && code >= 0 && code != 0:
			w.t.Fatalf("%v: exit code %d on a machine that was taken away\n%s", job, code, errs)
		case gone:
			lost = strings.Join(job, " ")
			wholesome(w.t, prefix)
			code, errs = w.run(over, job)
		}
		if code != 0 {
			w.t.Fatalf("%v: exit code %d\n%s", job, code, errs)
		}
	}
	return requests, lost
}

// wholesome reads everything that a tag leads to: what is published is
// published whole.
func wholesome(t *testing.T, prefix string) {
	t.Helper()
	c := registry.New(registry.Options{})
	for _, image := range []string{"base", "app"} {
		repo := prefix + "/" + image
		tags, err := c.Tags(t.Context(), repo)
		if errors.Is(err, registry.ErrAbsent) {
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			d, _, err := c.Resolve(t.Context(), repo, tag)
			if err == nil {
				err = c.Copy(t.Context(), repo, prefix+"-read/"+image, d.Digest)
			}
			if err != nil {
				t.Errorf("%s:%s leads to nothing whole: %v", repo, tag, err)
			}
		}
	}
}

// published are the tags of contents and versions with their digests, and the
// names of all others: receipts hold times.
func published(t *testing.T, prefix string) map[string]model.Digest {
	t.Helper()
	c := registry.New(registry.Options{})
	all := map[string]model.Digest{}
	for _, image := range []string{"base", "app"} {
		tags, err := c.Tags(t.Context(), prefix+"/"+image)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if strings.HasPrefix(tag, "r-") {
				all[image+":"+tag] = ""
				continue
			}
			d, _, err := c.Resolve(t.Context(), prefix+"/"+image, tag)
			if err != nil {
				t.Fatal(err)
			}
			all[image+":"+tag] = d.Digest
			if strings.HasPrefix(tag, "d-") {
				all[image+":"+tag] = ""
			}
		}
	}
	return all
}

// TestLostAtAnyRequest takes the machine away at ten requests of a pipeline,
// before or after the registry has carried the request out. The points are
// drawn, and the seed is fixed: what is tested is the same whenever it runs.
func TestLostAtAnyRequest(t *testing.T) {
	s := enginetest.Services(t)
	w := newWorks(t)
	over := newWire(t, s.Registry)
	host := strings.TrimPrefix(over.URL, "http://")
	total, _ := w.pipeline(over, host+"/lost/never", 0, false)
	want := published(t, s.Registry+"/lost/never")
	if len(want) < 8 {
		t.Fatalf("a whole run published only %v", want)
	}
	draw := rand.New(rand.NewPCG(20261121, 7))
	lost := map[string]int{}
	for n := range 10 {
		fatal, late := 1+draw.IntN(total), draw.IntN(2) == 0
		name := fmt.Sprintf("lost/at-%d", n)
		_, job := w.pipeline(over, host+"/"+name, fatal, late)
		t.Logf("request %d of %d, carried out: %v: lost %q", fatal, total, late, job)
		lost[job]++
		if diff := cmp.Diff(want, published(t, s.Registry+"/"+name)); diff != "" {
			t.Errorf("lost %q at request %d, carried out: %v: tags (-whole run +lost):\n%s", job, fatal, late, diff)
		}
	}
	if lost[""] > 2 || len(lost) < 4 {
		t.Errorf("the jobs that were lost: %v", lost)
	}
}
