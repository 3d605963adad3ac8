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
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/keytest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
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

// was tells how many requests there were, and whether one was fatal.
func (w *wire) was() (seen int, tookAway bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.seen, w.tookAway
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
	db, _ := enginetest.ScanDB(t, time.Time{}, enginetest.Vulnerability{ID: "CVE-2026-0001", Distro: "debian:12", Ecosystem: "deb", Package: "other", Severity: "low"}, enginetest.OfNVD)
	key, _ := keytest.New(t)
	w.env = []string{
		"PATH=" + enginetest.Bin(t) + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + t.TempDir(), "LANG=C.UTF-8",
		"BUILDKIT_HOST=" + s.BuildkitAddr, "GIT_CONFIG_NOSYSTEM=1", "ROOTFSRUN_SCAN_DB=" + db, "IMAGE_KEY=" + key,
	}
	files := map[string]string{
		".gitignore":             ".cache/\nbuild-artifacts/\nout/\n",
		"rootfsgen.yaml":         "version: 1\nsign: {key: \"env:IMAGE_KEY\"}\n",
		"scan-policy.yaml":       "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n",
		"images/base/Dockerfile": "FROM " + busybox + "\nCOPY rootfs/ /\nRUN echo base > /base\n",
		"images/base/image.yaml": "arch: amd64\ntests:\n  - {name: base, cmd: test -s /base}\n",
		"images/app/Dockerfile":  "FROM base\nCOPY app.txt /\nRUN cp /app.txt /made\n",
		"images/app/app.txt":     "one\n",
		"images/app/image.yaml":  "arch: amd64\ntests:\n  - {name: app, cmd: test -s /made}\n",
	}
	for path, text := range enginetest.Debian12(map[string]string{"openssl": "3.0.15-1"}) { // who judges wants to see packages
		files["images/base/rootfs/"+path] = text
	}
	w.Commit(files)
	return w
}

// steps are what generated jobs run for one pipeline, in an order in which they
// may.
var steps = [][]string{
	{"build", "base"}, {"test", "base"}, {"sbom", "base"}, {"scan", "base"}, {"gate", "base"}, {"merge", "base"},
	{"build", "app"}, {"test", "app"}, {"sbom", "app"}, {"scan", "app"}, {"gate", "app"}, {"merge", "app"},
	{"sign"}, {"attest"}, {"manifest"},
}

// point is where a machine goes.
type point struct {
	step    int // of steps
	request int // of the step's, from 1
	late    bool
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

// run runs one step, on a machine that the wire may take away, and returns its
// exit code, which is negative where a signal ended it.
func (w *works) run(over *wire, step []string) (int, string) {
	w.t.Helper()
	cmd := exec.CommandContext(w.t.Context(), filepath.Join(w.bin, "rootfsrun"), append(slices.Clone(step), "--plan", "out/plan.json")...)
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

// channels is where a desk keeps its channels.
const channels = ".cache/channels"

// pipeline runs every step, and again what was lost. It counts the requests of
// each, and how many machines went.
func (w *works) pipeline(over *wire, prefix string, at ...point) (requests []int, lost int) {
	w.t.Helper()
	w.plan(prefix)
	if err := os.RemoveAll(filepath.Join(w.Dir, channels)); err != nil {
		w.t.Fatal(err)
	}
	for n, step := range steps {
		over.arm(0, false)
		for _, p := range at {
			if n == p.step {
				over.arm(p.request, p.late)
			}
		}
		code, errs := w.run(over, step)
		seen, gone := over.was()
		requests = append(requests, seen)
		switch {
		case gone && code >= 0 && code != 0:
			w.t.Fatalf("%v: exit code %d on a machine that was taken away\n%s", step, code, errs)
		case gone:
			lost++
			wholesome(w.t, prefix)
			code, errs = w.run(over, step)
		}
		if code != 0 {
			w.t.Fatalf("%v: exit code %d\n%s", step, code, errs)
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
// names of all others, whose documents hold times; what is said about each
// version, by its kind; and what the channel names.
func (w *works) published(prefix string) map[string]any {
	w.t.Helper()
	c := registry.New(registry.Options{})
	all := map[string]any{}
	for _, image := range []string{"base", "app"} {
		repo := prefix + "/" + image
		tags, err := c.Tags(w.t.Context(), repo)
		if err != nil {
			w.t.Fatal(err)
		}
		for _, tag := range tags {
			if _, about := registry.ParseFallbackTag(tag); about {
				continue // is found by what it is about
			}
			d, _, err := c.Resolve(w.t.Context(), repo, tag)
			if err != nil {
				w.t.Fatal(err)
			}
			all[image+":"+tag] = d.Digest
			if strings.HasPrefix(tag, "r-") || strings.HasPrefix(tag, "d-") {
				all[image+":"+tag] = ""
			}
			for _, kind := range w.about(c, repo, d.Digest) {
				all[image+":"+tag+" "+kind] = ""
			}
		}
	}
	text, err := os.ReadFile(filepath.Join(w.Dir, channels, "manifest.testing.json"))
	if err != nil {
		w.t.Fatal(err)
	}
	m, err := manifest.Decode(text)
	if err != nil {
		w.t.Fatal(err)
	}
	for _, i := range m.Images {
		all["testing "+i.ID] = i.Digest
	}
	return all
}

// about are the kinds of what is said about a manifest.
func (w *works) about(c *registry.Client, repo string, digest model.Digest) []string {
	found, err := c.Artifacts(w.t.Context(), repo, digest, "")
	if err != nil {
		w.t.Fatal(err)
	}
	var kinds []string
	for _, f := range found {
		kinds = append(kinds, f.Type)
	}
	slices.Sort(kinds)
	return slices.Compact(kinds)
}

// TestLostAtAnyRequest takes the machine away at ten requests, at least one in
// every kind of step, before or after the registry has carried the request out.
// The points are drawn, and the seed is fixed: what is tested is the same
// whenever it runs.
func TestLostAtAnyRequest(t *testing.T) {
	s := enginetest.Services(t)
	w := newWorks(t)
	over := newWire(t, s.Registry)
	host := strings.TrimPrefix(over.URL, "http://")
	requests, _ := w.pipeline(over, host+"/lost/never")
	want := w.published(s.Registry + "/lost/never")
	if len(want) < 20 {
		t.Fatalf("a whole run published only %v", want)
	}
	lost := 0
	for n, at := range runs(points(requests)) {
		name := fmt.Sprintf("lost/at-%d", n)
		_, gone := w.pipeline(over, host+"/"+name, at...)
		lost += gone
		var told []string
		for _, p := range at {
			told = append(told, fmt.Sprintf("%s at request %d of %d, carried out: %v", strings.Join(steps[p.step], " "), p.request, requests[p.step], p.late))
		}
		t.Logf("%d of %d lost: %s", gone, len(at), strings.Join(told, "; "))
		if diff := cmp.Diff(want, w.published(s.Registry+"/"+name)); diff != "" {
			t.Errorf("%s (-whole run +lost):\n%s", strings.Join(told, "; "), diff)
		}
	}
	if lost < 9 { // a step may ask once less than it did in the whole run
		t.Errorf("only %d machines went", lost)
	}
}

// points are one in each kind of step, of the first image or the second, and
// another in a build.
func points(requests []int) []point {
	draw := rand.New(rand.NewPCG(20261121, 7))
	of := map[string][]int{}
	var kinds []string
	for n, step := range steps {
		if of[step[0]] == nil {
			kinds = append(kinds, step[0])
		}
		of[step[0]] = append(of[step[0]], n)
	}
	var all []point
	for _, kind := range append(kinds, "build") {
		step := of[kind][draw.IntN(len(of[kind]))]
		all = append(all, point{step: step, request: 1 + draw.IntN(requests[step]), late: draw.IntN(2) == 0})
	}
	return all
}

// runs spreads points over four runs, so that none has two in one step.
func runs(all []point) [4][]point {
	var out [4][]point
	for n, p := range all {
		out[n%len(out)] = append(out[n%len(out)], p)
	}
	return out
}
