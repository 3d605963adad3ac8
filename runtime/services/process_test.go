package services

import (
	"errors"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

func TestIdentify(t *testing.T) {
	t.Parallel()
	self, found := identify(os.Getpid())
	if !found || !self.alive() {
		t.Fatalf("this process is not found: %+v", self)
	}
	other := self
	other.Boot = "another"
	if other.alive() {
		t.Error("a process of another start of the machine is taken for this one")
	}
	if _, found := identify(1 << 30); found {
		t.Error("a process that cannot be is found")
	}
	if (process{}).alive() {
		t.Error("no process is alive")
	}
	if (process{}).wait(t.Context(), time.Millisecond) != true {
		t.Error("no process is waited for")
	}
}

// What a process leaves until its parent asks for it is no process.
func TestIdentifyEnded(t *testing.T) {
	t.Parallel()
	cmd := exec.CommandContext(t.Context(), "cat")
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	p, found := identify(cmd.Process.Pid)
	if !found {
		t.Fatal("a running process is not found")
	}
	if p.wait(t.Context(), time.Millisecond) {
		t.Error("a running process is said to have ended")
	}
	if err := in.Close(); err != nil {
		t.Fatal(err)
	}
	if !p.wait(t.Context(), time.Minute) {
		t.Error("an ended process is waited for")
	}
	if p.alive() {
		t.Error("an ended process is alive")
	}
	if err := cmd.Wait(); err != nil {
		t.Error(err)
	}
}

func TestMissingPrograms(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	l, err := newLayout(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	err = l.require(t.Context(), record{}, Options{Bin: t.TempDir()})
	if _, ok := errors.AsType[*tools.MissingError](err); !ok {
		t.Fatalf("got %v", err)
	}
	for _, want := range []string{"buildkitd", "registry", "make tools"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is not named in:\n%v", want, err)
		}
	}
}
