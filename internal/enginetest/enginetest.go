// Package enginetest gives tests the real engines: a buildkitd and a registry,
// started with our own runtime/services, one pair for each test program, below
// a temporary folder. A test program that uses it has
//
//	func TestMain(m *testing.M) { enginetest.Main(m) }
//
// and may run beside others. What was started ends with the test program,
// however that ends: a process of its own sees to it.
package enginetest

import (
	"context"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// reaping names the folder whose services a process of this package stops.
const reaping = "ROOTFSGEN_ENGINETEST_REAP"

// shared is what the tests of one program have in common.
var shared engines

type engines struct {
	once    sync.Once
	state   services.State
	options services.Options
	err     error
	dir     string         // empty: nothing was started
	reaper  io.WriteCloser // closed when the tests are over
	wait    func() error   // for the reaper to end

	busybox     sync.Once
	busyboxRef  string
	busyboxErr  error
	programs    sync.Once
	programsDir string
	programsErr error
}

// Main runs the tests of one program and ends it. It stops the engines, if a
// test asked for them; that they cannot be stopped is a failure.
func Main(m *testing.M) {
	if dir := os.Getenv(reaping); dir != "" {
		os.Exit(reap(dir))
	}
	code := m.Run()
	if err := shared.stop(); err != nil {
		fmt.Fprintln(os.Stderr, "stopping the engines of the tests:", err)
		code = max(code, 1)
	}
	os.Exit(code)
}

// Services returns where the engines are, and starts them for the first test
// that asks. The test fails, and says which command helps, when a program is
// missing.
func Services(t testing.TB) services.State {
	t.Helper()
	shared.once.Do(func() { shared.err = shared.start(Root(t)) })
	if shared.err != nil {
		t.Fatalf("starting the engines: %v", shared.err)
	}
	return shared.state
}

// Dir is the folder that the engines keep their data and logs in. It is empty
// before the first call of Services.
func Dir() string { return shared.dir }

// Root is the root of this repository.
func Root(t testing.TB) string {
	t.Helper()
	dir, err := os.Getwd()
	if err != nil {
		t.Fatal(err)
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "tools", "go.mod")); err == nil {
			return dir
		}
		if dir == filepath.Dir(dir) {
			t.Fatal("the tests run outside of the repository")
		}
		dir = filepath.Dir(dir)
	}
}

// Bin is the folder of the programs that "make tools" compiles.
func Bin(t testing.TB) string {
	t.Helper()
	return filepath.Join(Root(t), ".cache", "bin")
}

// patient lets the engines use more memory and collect it less often: with the
// small builds of tests that is a third of their time.
var patient = []string{"GOGC=800"}

// start is called once. The reaper comes first, so that nothing is ever
// running without one.
func (e *engines) start(root string) error {
	dir, err := os.MkdirTemp(scratch(), "rootfsgen-engines-")
	if err != nil {
		return err
	}
	e.dir = dir
	self, err := os.Executable()
	if err != nil {
		return err
	}
	// Not the test's context: it must outlive every test.
	cmd, err := tool.Command{Name: self, Env: []string{reaping + "=" + dir}}.Cmd(context.Background())
	if err != nil {
		return err
	}
	cmd.Stderr = os.Stderr
	if e.reaper, err = cmd.StdinPipe(); err != nil {
		return err
	}
	if err := cmd.Start(); err != nil {
		return fmt.Errorf("starting the process that stops the engines: %w", err)
	}
	e.wait = cmd.Wait
	e.options = services.Options{Bin: filepath.Join(root, ".cache", "bin"), Env: patient}
	state, err := services.Start(context.Background(), dir, e.options)
	if err != nil {
		return err
	}
	e.state = *state
	return nil
}

// Revive starts again what has died of the engines, at the same addresses and
// with the same data. Services must have returned before.
func Revive(ctx context.Context) error {
	_, err := services.Start(ctx, shared.dir, shared.options)
	return err
}

// stop lets the reaper do it, and waits.
func (e *engines) stop() error {
	if e.programsDir != "" {
		if err := os.RemoveAll(e.programsDir); err != nil {
			return err
		}
	}
	if e.wait == nil {
		return nil
	}
	if err := e.reaper.Close(); err != nil {
		return err
	}
	return e.wait()
}

// reap waits until the test program has ended, which closes the pipe, and
// stops what it started.
func reap(dir string) int {
	_, _ = io.Copy(io.Discard, os.Stdin) // an error is an end, too
	if err := services.Stop(context.Background(), dir); err != nil {
		fmt.Fprintln(os.Stderr, "stopping services:", err)
		return 1
	}
	if err := os.RemoveAll(dir); err != nil {
		fmt.Fprintln(os.Stderr, "removing their data:", err)
		return 1
	}
	return 0
}
