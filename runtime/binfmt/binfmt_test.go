package binfmt

import (
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

func TestRuns(t *testing.T) {
	t.Parallel()
	if !Runs(runtime.GOARCH) {
		t.Error("the machine cannot run its own programs")
	}
	if Runs("no-such-architecture") || Runs("") {
		t.Error("an unknown architecture can be run")
	}
}

// The program gets its arguments as they are, whatever is in them, and the
// machine's own mounts stay as they were.
func TestWrap(t *testing.T) {
	t.Parallel()
	before := mountedHere(t)
	args := []string{"a b", "$HOME", `"quoted"`, "", "*"}
	argv := Wrap(append([]string{"printf", `%s|`}, args...)...)
	out, err := tool.Command{Name: "unshare", Args: append([]string{"--mount"}, argv...)}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if want := strings.Join(args, "|") + "|"; string(out) != want {
		t.Errorf("got %q, want %q", out, want)
	}
	if after := mountedHere(t); after != before {
		t.Errorf("mounts changed:\n%s\n%s", before, after)
	}
}

// Inside, the emulator of whatever is said to run is registered.
func TestWrapRegisters(t *testing.T) {
	t.Parallel()
	for arch, name := range names {
		if arch == runtime.GOARCH || !Runs(arch) {
			continue
		}
		argv := append([]string{"--mount"}, Wrap("cat", filepath.Join(mounted, "qemu-"+name))...)
		out, err := tool.Command{Name: "unshare", Args: argv}.Output(t.Context())
		if err != nil || !strings.HasPrefix(string(out), "enabled\n") {
			t.Errorf("%s: %v\n%s", arch, err, out)
		}
	}
}

func mountedHere(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("/proc/mounts")
	if err != nil {
		t.Fatal(err)
	}
	var lines []string
	for line := range strings.Lines(string(b)) {
		if strings.Contains(line, "binfmt_misc") {
			lines = append(lines, line)
		}
	}
	return strings.Join(lines, "")
}
