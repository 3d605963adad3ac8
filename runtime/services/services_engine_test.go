package services

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// options are those of a test: the programs that "make tools" builds.
func options(t *testing.T) Options {
	t.Helper()
	root, err := filepath.Abs("../..")
	if err != nil {
		t.Fatal(err)
	}
	return Options{Bin: filepath.Join(root, ".cache", "bin")}
}

// cacheDir is a short folder, stopped and looked over at the end of the test.
func cacheDir(t *testing.T) string {
	t.Helper()
	dir, err := os.MkdirTemp("", "rgsvc")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := Stop(context.Background(), dir); err != nil {
			t.Error(err)
		}
		nothingLeft(t, dir)
		if err := os.RemoveAll(dir); err != nil {
			t.Error(err)
		}
	})
	return dir
}

// nothingLeft looks for processes, mounts and sockets of the folder.
func nothingLeft(t *testing.T, dir string) {
	t.Helper()
	commands, err := filepath.Glob("/proc/[0-9]*/cmdline")
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range commands {
		b, err := os.ReadFile(file)
		if err == nil && strings.Contains(string(b), filepath.Join(dir, "services")) {
			t.Errorf("process left: %s", strings.ReplaceAll(string(b), "\x00", " "))
		}
	}
	mounts, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(mounts), dir) {
		t.Errorf("mount left:\n%s", mounts)
	}
	err = filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if err == nil && d.Type()&fs.ModeSocket != 0 {
			t.Errorf("socket left: %s", path)
		}
		return nil
	})
	if err != nil {
		t.Error(err)
	}
}

func mustStart(t *testing.T, dir string, o Options) *State {
	t.Helper()
	state, err := Start(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if err := reachable(t.Context(), state.BuildkitAddr); err != nil {
		t.Fatalf("buildkitd: %v", err)
	}
	if err := reachable(t.Context(), "tcp://"+state.Registry); err != nil {
		t.Fatalf("registry: %v", err)
	}
	return state
}

func record1(t *testing.T, dir string) record {
	t.Helper()
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	return l.read()
}

func TestStartAndStopTwice(t *testing.T) {
	t.Parallel()
	dir, o := cacheDir(t), options(t)
	first := mustStart(t, dir, o)
	before := record1(t, dir)
	if diff := cmp.Diff(first, mustStart(t, dir, o)); diff != "" {
		t.Errorf("second start (-first +second):\n%s", diff)
	}
	if diff := cmp.Diff(before, record1(t, dir), cmp.AllowUnexported(daemon{}, process{})); diff != "" {
		t.Errorf("second start changed what runs (-first +second):\n%s", diff)
	}
	state, all, err := Status(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(first, state); diff != "" {
		t.Errorf("status (-start +status):\n%s", diff)
	}
	for _, s := range all {
		if !s.Running || s.PID == 0 {
			t.Errorf("%s does not run: %+v", s.Name, s)
		}
	}
	for range 2 {
		if err := Stop(t.Context(), dir); err != nil {
			t.Fatal(err)
		}
		nothingLeft(t, dir)
	}
	if port := record1(t, dir).Port; port != portOf(first.Registry) {
		t.Errorf("port %d is kept for the registry at %s", port, first.Registry)
	}
	mustStart(t, dir, o)
}

func TestConcurrentStarts(t *testing.T) {
	t.Parallel()
	dir, o := cacheDir(t), options(t)
	states := make([]*State, 6)
	errs := make([]error, len(states))
	var wg sync.WaitGroup
	for i := range states {
		wg.Go(func() { states[i], errs[i] = Start(t.Context(), dir, o) })
	}
	wg.Wait()
	for i := range states {
		if errs[i] != nil {
			t.Fatal(errs[i])
		}
		if diff := cmp.Diff(states[0], states[i]); diff != "" {
			t.Errorf("start %d differs:\n%s", i, diff)
		}
	}
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if n := len(strays("unshare", l.path("buildkitd.toml"))); n != 1 {
		t.Errorf("%d buildkitd run", n)
	}
	if n := len(strays("registry", l.path("registry.yml"))); n != 1 {
		t.Errorf("%d registries run", n)
	}
}

// kill ends a process as the kernel does when memory runs out.
func kill(t *testing.T, p process) {
	t.Helper()
	p.signal(unix.SIGKILL)
	if !p.wait(t.Context(), 10*time.Second) {
		t.Fatalf("process %d does not end", p.PID)
	}
}

func TestKilledServiceStartsAgain(t *testing.T) {
	t.Parallel()
	kills := map[string]func(t *testing.T, dir string, r record){
		"unshare": func(t *testing.T, _ string, r record) { kill(t, r.Buildkitd.process) },
		"buildkitd": func(t *testing.T, _ string, r record) {
			for _, child := range r.Buildkitd.children() {
				kill(t, child)
			}
		},
		"registry": func(t *testing.T, _ string, r record) { kill(t, r.Registry.process) },
		"both, and the state is lost": func(t *testing.T, dir string, r record) {
			kill(t, r.Buildkitd.process)
			kill(t, r.Registry.process)
			if err := os.Remove(filepath.Join(dir, "services", "state.json")); err != nil {
				t.Fatal(err)
			}
		},
		"the starter, before it wrote the state": func(t *testing.T, dir string, _ record) {
			if err := os.Remove(filepath.Join(dir, "services", "state.json")); err != nil {
				t.Fatal(err)
			}
		},
		"the state is torn": func(t *testing.T, dir string, _ record) {
			if err := os.WriteFile(filepath.Join(dir, "services", "state.json"), []byte(`{"version": 1, "buil`), 0o600); err != nil {
				t.Fatal(err)
			}
		},
	}
	for name, act := range kills {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			dir, o := cacheDir(t), options(t)
			mustStart(t, dir, o)
			act(t, dir, record1(t, dir))
			mustStart(t, dir, o)
			l, err := newLayout(dir)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(strays("unshare", l.path("buildkitd.toml"))); n != 1 {
				t.Errorf("%d buildkitd run", n)
			}
			if n := len(strays("registry", l.path("registry.yml"))); n != 1 {
				t.Errorf("%d registries run", n)
			}
		})
	}
}

// A process id that has come to mean another process must be left alone.
func TestRecycledProcessIsNotEnded(t *testing.T) {
	t.Parallel()
	dir, o := cacheDir(t), options(t)
	l, err := newLayout(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(l.dir, 0o700); err != nil {
		t.Fatal(err)
	}
	self, found := identify(os.Getpid())
	if !found {
		t.Fatal("this process is not found")
	}
	self.Started-- // the same id, started at another time
	stale := record{Version: 1,
		Buildkitd: &daemon{process: self, Address: "unix:///nowhere.sock"},
		Registry:  &daemon{process: self, Address: "127.0.0.1:1", Instance: "x"}}
	if err := l.write(stale); err != nil {
		t.Fatal(err)
	}
	if err := Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if err := l.write(stale); err != nil {
		t.Fatal(err)
	}
	mustStart(t, dir, o)
}

func TestRegistryPortTaken(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = listener.Close() }()
	dir, o := cacheDir(t), options(t)
	o.Port = portOf(listener.Addr().String())
	if state := mustStart(t, dir, o); state.Registry == listener.Addr().String() {
		t.Errorf("registry is said to be at %s, which another program has", state.Registry)
	}
}

func TestLongPath(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(cacheDir(t), strings.Repeat("long/", 30))
	state := mustStart(t, dir, options(t))
	socket := strings.TrimPrefix(state.BuildkitAddr, "unix://")
	if len(socket) > longestSocket {
		t.Errorf("socket's path has %d bytes: %s", len(socket), socket)
	}
	if err := Stop(t.Context(), dir); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(filepath.Dir(socket)); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("folder for sockets is left: %v", err)
	}
}

func TestBuildkitHost(t *testing.T) {
	t.Parallel()
	listener, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	host := "tcp://" + listener.Addr().String()
	dir, o := cacheDir(t), options(t)
	o.BuildkitHost = host
	state, err := Ensure(t.Context(), dir, o)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(&State{BuildkitAddr: host}, state); diff != "" {
		t.Errorf("ensure (-want +got):\n%s", diff)
	}
	if r := record1(t, dir); r.Registry != nil || r.Buildkitd != nil {
		t.Errorf("ensure started something: %+v", r)
	}
	if state = mustStart(t, dir, o); state.BuildkitAddr != host || state.Registry == "" {
		t.Errorf("start: %+v", state)
	}
	if r := record1(t, dir); r.Buildkitd != nil {
		t.Errorf("start started a buildkitd: %+v", r)
	}
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	_, err = Ensure(t.Context(), dir, o)
	var coded interface{ ExitCode() int }
	if !errors.As(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("unreachable host: %v", err)
	}
}

func TestCancelledStartLeavesNothing(t *testing.T) {
	t.Parallel()
	dir, o := cacheDir(t), options(t)
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(fmt.Errorf("asked to"))
	if _, err := Start(ctx, dir, o); err == nil {
		t.Error("a cancelled start succeeded")
	}
	nothingLeft(t, dir)
}
