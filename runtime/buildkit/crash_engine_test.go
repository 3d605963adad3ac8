package buildkit_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"sync"
	"syscall"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// A daemon that dies in the middle of a build is trouble with the machine: it
// is started again, and the same build goes through.
func TestBuildWhenTheDaemonIsKilled(t *testing.T) {
	b := newBench(t)
	cache, options := ownServices(t)
	r := b.request(t, "FROM scratch\nCOPY f /f\n", file{path: "f", content: "x"})
	for _, kill := range []bool{true, false} {
		state, c := started(t, cache, options)
		r.Repository = state.Registry + "/crash"
		r.Contexts = nil
		r.Files = files(t, file{path: "f", content: "x"})
		if kill {
			r.Files = killer{r.Files, sync.OnceFunc(func() { killBuildkitd(t, cache, options) })}
		}
		_, err := c.Build(t.Context(), r)
		_ = c.Close()
		unavailable, ok := errors.AsType[*buildkit.Unavailable](err)
		switch {
		case !kill && err != nil:
			t.Errorf("the second build: %v", err)
		case kill && (!ok || unavailable.ExitCode() != 75):
			t.Errorf("the build whose daemon was killed: %v", err)
		}
	}
}

// A daemon that was killed while it made a snapshot leaves a folder behind that
// is in the way of the next one: the first build after it goes through.
func TestBuildOverALeftoverOfAKilledDaemon(t *testing.T) {
	b := newBench(t)
	cache, options := ownServices(t)
	// A new daemon calls its first snapshot 1.
	left := filepath.Join(cache, "services", "buildkit", "runc-overlayfs", "snapshots", "snapshots", "1", "fs")
	if err := os.MkdirAll(left, 0o700); err != nil {
		t.Fatal(err)
	}
	state, c := started(t, cache, options)
	defer func() { _ = c.Close() }()
	r := b.request(t, "FROM scratch\nCOPY f /f\n", file{path: "f", content: "x"})
	r.Repository, r.Contexts = state.Registry+"/leftover", nil
	if _, err := c.Build(t.Context(), r); err != nil {
		t.Error(err)
	}
	if _, err := os.Stat(filepath.Dir(left)); err != nil {
		t.Errorf("the snapshot that was in the way is not in use: %v", err)
	}
}

// ownServices is where services of the test's own lie; they end with it.
func ownServices(t *testing.T) (cache string, o services.Options) {
	t.Helper()
	cache = t.TempDir()
	t.Cleanup(func() {
		if err := services.Stop(context.WithoutCancel(t.Context()), cache); err != nil {
			t.Error(err)
		}
	})
	return cache, services.Options{Bin: enginetest.Bin(t)}
}

// started starts them, and connects.
func started(t *testing.T, cache string, o services.Options) (*services.State, *buildkit.Client) {
	t.Helper()
	state, err := services.Start(t.Context(), cache, o)
	if err != nil {
		t.Fatal(err)
	}
	c, err := buildkit.Dial(t.Context(), state.BuildkitAddr)
	if err != nil {
		t.Fatal(err)
	}
	return state, c
}

// killer is a context that does something when it is first walked: the build
// has begun by then.
type killer struct {
	buildkit.Files
	f func()
}

func (k killer) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	k.f()
	return k.Files.Walk(ctx, target, fn)
}

func killBuildkitd(t *testing.T, cache string, o services.Options) {
	t.Helper()
	_, all, err := services.Status(t.Context(), cache, o)
	if err != nil {
		t.Error(err)
	}
	for _, s := range all {
		if s.Name == "buildkitd" && s.PID != 0 {
			if err := syscall.Kill(s.PID, syscall.SIGKILL); err != nil {
				t.Error(err)
			}
			return
		}
	}
	t.Errorf("no buildkitd among %+v", all)
}
