// Package run executes rootfsrun run as a person does, with real engines, and
// interrupts it.
package run

import (
	"bytes"
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// fleet is a repository with a small fleet, and where it publishes.
type fleet struct {
	*gittest.Repo
	t      *testing.T
	prefix string
	env    []string
}

// newFleet commits a fleet with a base, a program on it, one on that, and one
// that stands alone. name keeps it apart from others in the registry.
func newFleet(t *testing.T, name string, further map[string]string) *fleet {
	t.Helper()
	s, busybox := enginetest.Services(t), enginetest.Busybox(t)
	f := &fleet{t: t, Repo: gittest.New(t), prefix: s.Registry + "/" + name}
	f.env = []string{
		"PATH=" + strings.Join([]string{enginetest.Programs(t), enginetest.Bin(t), os.Getenv("PATH"), "/usr/sbin:/sbin"}, ":"),
		"HOME=" + t.TempDir(), "LANG=C.UTF-8", "BUILDKIT_HOST=" + s.BuildkitAddr, "GIT_CONFIG_NOSYSTEM=1",
	}
	f.Write(map[string]string{
		".gitignore":               ".cache/\nbuild-artifacts/\n",
		"rootfsgen.yaml":           "version: 1\n",
		"images/base/Dockerfile":   "FROM " + busybox + "\nRUN echo base > /base\n",
		"images/base/image.yaml":   "id: base\ntests:\n  - {name: base, cmd: test -s /base}\n",
		"images/python/Dockerfile": "FROM base\nCOPY app.py /app.py\nRUN cat /app.py > /out\n",
		"images/python/app.py":     "print(1)\n",
		"images/python/image.yaml": "id: python\npriority: 5\ntests:\n  - {name: app, cmd: grep -q print /app.py}\n",
		"images/child/Dockerfile":  "FROM python\nRUN cp /out /copy\n",
		"images/child/image.yaml":  "id: child\ntests:\n  - {name: copy, cmd: test -s /copy}\n",
		"images/lone/Dockerfile":   "FROM " + busybox + "\nRUN echo lone > /lone\n",
		"images/lone/image.yaml":   "id: lone\narch: amd64\ntests:\n  - {name: lone, cmd: test -s /lone}\n",
	})
	f.Write(further)
	if out, code := f.try("rootfsgen", "lock"); code != 0 {
		t.Fatal(out)
	}
	f.Commit(nil)
	return f
}

func (f *fleet) command(name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(f.t.Context(), name, args...)
	for _, v := range f.env {
		if path, found := strings.CutPrefix(v, "PATH="); found {
			if own := filepath.Join(strings.Split(path, ":")[0], name); fileExists(own) {
				cmd = exec.CommandContext(f.t.Context(), own, args...)
			}
		}
	}
	cmd.Dir, cmd.Env = f.Dir, f.env
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	return cmd
}

func fileExists(path string) bool { _, err := os.Stat(path); return err == nil }

// try runs a program and returns everything that it printed.
func (f *fleet) try(name string, args ...string) (string, int) {
	f.t.Helper()
	cmd := f.command(name, args...)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	return string(out), cmd.ProcessState.ExitCode()
}

// row is a line of a run's result.
type row struct {
	Image, Platform, Action, Digest, Tag, Why string
	Seconds                                   float64
}

// run runs the fleet and returns its exit code, and by "image platform" what
// became of it.
func (f *fleet) run(args ...string) (int, map[string]row, string) {
	f.t.Helper()
	cmd := f.command("rootfsrun", append([]string{"run", "--json", "--registry", f.prefix}, args...)...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		f.t.Fatal(err)
	}
	var result struct{ Results []row }
	if out.Len() > 0 {
		if err := json.Unmarshal(out.Bytes(), &result); err != nil {
			f.t.Fatalf("%v\n%s\n%s", err, out.String(), errs.String())
		}
	}
	rows := map[string]row{}
	for _, r := range result.Results {
		rows[strings.TrimSpace(r.Image+" "+r.Platform)] = r
	}
	return cmd.ProcessState.ExitCode(), rows, errs.String()
}

// actions is what became of everything, in brief.
func actions(rows map[string]row) map[string]string {
	out := map[string]string{}
	for name, r := range rows {
		out[name] = r.Action
	}
	return out
}

// published is every reference that people use, and what it stands for.
func (f *fleet) published() map[string]string {
	f.t.Helper()
	c := registry.New(registry.Options{})
	out := map[string]string{}
	for _, image := range []string{"base", "python", "child", "lone"} {
		repo := f.prefix + "/" + image
		tags, err := c.Tags(f.t.Context(), repo)
		if err != nil {
			f.t.Fatal(err)
		}
		for _, tag := range tags {
			if strings.HasPrefix(tag, "r-") || strings.HasPrefix(tag, "d-") { // a receipt has a time, and so has what stands for one
				out[image+":"+tag] = ""
				continue
			}
			d, _, err := c.Resolve(f.t.Context(), repo, tag)
			if err != nil {
				f.t.Fatal(err)
			}
			out[image+":"+tag] = d.Digest.String()
		}
	}
	return out
}

// reports are the files in build-artifacts.
func (f *fleet) reports() map[string]string {
	f.t.Helper()
	files, err := filepath.Glob(filepath.Join(f.Dir, "build-artifacts", "*"))
	if err != nil {
		f.t.Fatal(err)
	}
	out := map[string]string{}
	for _, name := range files {
		b, err := os.ReadFile(name)
		if err != nil {
			f.t.Fatal(err)
		}
		out[filepath.Base(name)] = string(b)
	}
	return out
}

// manifest is the testing channel: id -> digest.
func (f *fleet) manifest() map[string]string {
	f.t.Helper()
	b, err := os.ReadFile(filepath.Join(f.Dir, ".cache", "channels", "manifest.testing.json"))
	if err != nil {
		f.t.Fatal(err)
	}
	var d struct{ Images []struct{ ID, Digest string } }
	if err := json.Unmarshal(b, &d); err != nil {
		f.t.Fatal(err)
	}
	out := map[string]string{}
	for _, i := range d.Images {
		out[i.ID] = i.Digest
	}
	return out
}

func TestTheWholeFleetAndThenOnlyWhatChanged(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "run-whole", nil)
	code, rows, errs := f.run()
	if code != 0 {
		t.Fatalf("exit code %d\n%s", code, errs)
	}
	if diff := cmp.Diff(map[string]string{
		"base linux/amd64": "built", "base linux/arm64": "built", "base": "merged",
		"python linux/amd64": "built", "python linux/arm64": "built", "python": "merged",
		"child linux/amd64": "built", "child linux/arm64": "built", "child": "merged",
		"lone linux/amd64": "built", "lone": "merged",
	}, actions(rows)); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff(map[string]string{
		"base": rows["base"].Digest, "python": rows["python"].Digest, "child": rows["child"].Digest, "lone": rows["lone"].Digest,
	}, f.manifest()); diff != "" {
		t.Error(diff)
	}
	before := f.published()
	reports := f.reports()
	if _, found := reports["python.json"]; !found || !strings.Contains(reports["junit-child-arm64.xml"], `testcase name="copy"`) {
		t.Errorf("reports %v", slices.Sorted(maps.Keys(reports)))
	}
	if err := os.RemoveAll(filepath.Join(f.Dir, "build-artifacts")); err != nil {
		t.Fatal(err)
	}

	code, rows, errs = f.run()
	for _, name := range []string{"base.json", "python.json", "child.json", "lone.json"} {
		if diff := cmp.Diff(reports[name], f.reports()[name]); diff != "" {
			t.Errorf("%s after nothing was to do: %s", name, diff)
		}
	}
	for name, r := range rows {
		if r.Action != "none" {
			t.Errorf("again: %s was %s", name, r.Action)
		}
	}
	if code != 0 || strings.Contains(errs, "building") {
		t.Errorf("again: exit code %d\n%s", code, errs)
	}
	if diff := cmp.Diff(before, f.published()); diff != "" {
		t.Errorf("again: %s", diff)
	}

	f.Write(map[string]string{"images/python/app.py": "print(2)\n"}) // not even committed
	code, rows, errs = f.run()
	if code != 0 {
		t.Fatalf("after an edit: exit code %d\n%s", code, errs)
	}
	if diff := cmp.Diff(map[string]string{
		"base linux/amd64": "none", "base linux/arm64": "none", "lone linux/amd64": "none",
		"python linux/amd64": "built", "python linux/arm64": "built", "python": "merged",
		"child linux/amd64": "built", "child linux/arm64": "built", "child": "merged",
	}, actions(rows)); diff != "" {
		t.Error(diff)
	}
	for ref, digest := range before {
		if now := f.published()[ref]; now != digest {
			t.Errorf("%s moved", ref)
		}
	}
}

func TestAFailingImageStopsOnlyWhatStandsOnIt(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "run-failing", map[string]string{
		"images/python/image.yaml": "id: python\ntests:\n  - {name: app, cmd: echo this is why; exit 3}\n",
	})
	code, rows, errs := f.run()
	if code != 1 || !strings.Contains(errs, "this is why") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	for name, want := range map[string]string{"base": "merged", "lone": "merged", "python": "skipped", "child": "skipped", "python linux/amd64": "failed"} {
		if rows[name].Action != want {
			t.Errorf("%s is %+v, want %s", name, rows[name], want)
		}
	}
	if rows["python linux/amd64"].Why == "" || rows["child"].Why == "" {
		t.Error("the table does not say why")
	}
	if got := f.manifest(); len(got) != 2 || got["base"] == "" || got["lone"] == "" {
		t.Errorf("manifest %v", got)
	}
	f.Write(map[string]string{"images/python/image.yaml": "id: python\ntests:\n  - {name: app, cmd: test -s /app.py}\n"})
	code, rows, errs = f.run()
	if code != 0 || rows["python linux/amd64"].Action != "tested" || rows["python"].Action != "merged" || rows["child"].Action != "merged" {
		t.Errorf("repaired: exit code %d, %v\n%s", code, actions(rows), errs)
	}
}

// TestKilledAtAnyTime kills a run at a later moment each time, and lets the
// next one finish: the end is always what an undisturbed run makes.
func TestKilledAtAnyTime(t *testing.T) {
	t.Parallel()
	undisturbed := newFleet(t, "run-undisturbed", nil)
	if code, _, errs := undisturbed.run(); code != 0 {
		t.Fatal(errs)
	}
	want := undisturbed.published()
	for _, after := range []string{"base linux/amd64: building", "base linux/amd64: built", "base: merged", "python linux/arm64: tested", "child linux/amd64: tested", "child: merged"} {
		t.Run(after, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "run-killed-"+strings.NewReplacer(" ", "-", ":", "", "/", "-").Replace(after), nil)
			f.interrupt(after, syscall.SIGKILL, "run", "--registry", f.prefix)
			if code, _, errs := f.run(); code != 0 {
				t.Fatalf("exit code %d\n%s", code, errs)
			}
			if diff := cmp.Diff(want, f.published()); diff != "" {
				t.Error(diff)
			}
			if len(f.manifest()) != 4 {
				t.Errorf("manifest %v", f.manifest())
			}
		})
	}
}

// interrupt starts rootfsrun and sends the program, and nothing else of its
// process group, a signal when it has written a text. It returns the command
// when that has ended, which must be within what is promised.
func (f *fleet) interrupt(after string, signal syscall.Signal, args ...string) *exec.Cmd {
	f.t.Helper()
	cmd := f.command("rootfsrun", args...)
	errs := &watch{until: after, seen: make(chan struct{})}
	cmd.Stderr = errs
	if err := cmd.Start(); err != nil {
		f.t.Fatal(err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // the caller looks at how it ended
		close(done)
	}()
	select {
	case <-errs.seen:
	case <-done:
		f.t.Fatalf("it ended before %q:\n%s", after, errs.text.String())
	}
	if err := syscall.Kill(cmd.Process.Pid, signal); err != nil {
		f.t.Fatal(err)
	}
	select {
	case <-done:
	case <-time.After(5 * time.Second): // what is promised, not a measure of speed
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		<-done
		f.t.Fatalf("it did not stop within 5 s:\n%s", errs.text.String())
	}
	return cmd
}

func TestSIGTERMStopsAtOnceAndLeavesNothing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "run-stopped", map[string]string{
		"images/base/Dockerfile": "FROM " + enginetest.Busybox(t) + "\nRUN echo base > /base && sleep 600\n",
	})
	cmd := f.interrupt("&& sleep 600", syscall.SIGTERM, "run", "--registry", f.prefix, "-v")
	if code := cmd.ProcessState.ExitCode(); code != 143 {
		t.Errorf("exit code %d", code)
	}
	if err := syscall.Kill(-cmd.Process.Pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("something of its process group is left: %v", err)
	}
}

// watch tells when a text was written.
type watch struct {
	text  bytes.Buffer
	until string
	seen  chan struct{}
}

func (w *watch) Write(b []byte) (int, error) {
	n, err := w.text.Write(b)
	if w.until != "" && strings.Contains(w.text.String(), w.until) {
		w.until = ""
		close(w.seen)
	}
	return n, err
}

func TestARegistryThatIsGoneIsTryAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "run-gone", nil)
	out, code := f.try("rootfsrun", "run", "--registry", "127.0.0.1:1/x")
	if code != 75 {
		t.Errorf("exit code %d\n%s", code, out)
	}
}
