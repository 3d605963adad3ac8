package tool_test

import (
	"errors"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// A daemon is the leader of a session of its own, writes to its log, reads
// nothing, and its end is noticed.
func TestDaemon(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "log")
	log, err := os.Create(path)
	if err != nil {
		t.Fatal(err)
	}
	pid, ended, err := tool.Command{
		Name: "sh", Args: []string{"-c", `echo $$ $(cut -d" " -f6 /proc/$$/stat) "$WORD"; cat; echo err >&2`}, Env: []string{"WORD=w"},
	}.Daemon(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := log.Close(); err != nil {
		t.Fatal(err)
	}
	<-ended
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	id := strconv.Itoa(pid)
	if want := id + " " + id + " w\nerr\n"; string(b) != want {
		t.Errorf("log is %q, want %q", b, want)
	}
	if err := syscall.Kill(pid, 0); !errors.Is(err, syscall.ESRCH) {
		t.Errorf("the ended daemon is still there: %v", err)
	}
}

// A program that starts a daemon ends like any other: whoever reads its output
// sees the end of it.
func TestDaemonHoldsNothingOpen(t *testing.T) {
	t.Parallel()
	log, err := os.Create(filepath.Join(t.TempDir(), "log"))
	if err != nil {
		t.Fatal(err)
	}
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	pid, ended, err := tool.Command{Name: "sh", Args: []string{"-c", "exec tail -f /dev/null"}}.Daemon(log)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(w.Close(), log.Close()); err != nil {
		t.Fatal(err)
	}
	if b, err := io.ReadAll(r); err != nil || len(b) > 0 {
		t.Errorf("read %q, %v", b, err)
	}
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil {
		t.Fatal(err)
	}
	<-ended
}

func TestDaemonNotFound(t *testing.T) {
	t.Parallel()
	if _, _, err := (tool.Command{Name: "no-such-program"}).Daemon(nil); !errors.Is(err, tool.ErrNotFound) || !strings.Contains(err.Error(), "no-such-program") {
		t.Errorf("got %v", err)
	}
}
