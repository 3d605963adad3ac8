package imagetest

import (
	"fmt"
	"strings"
	"sync"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Suite is the tests of one target that were run.
type Suite struct {
	Target  model.TargetID
	Ref     string // "host/repository@sha256:..."
	StepKey model.Digest
	Started time.Time
	Results []Result // in the order of the tests
}

// Result is what became of one test.
type Result struct {
	Test    model.Test
	Code    int           // the program's own, 0 where it has none
	Took    time.Duration //
	Output  string        // the end of both streams
	Problem string        // why it did not pass, one clause; empty when it did
}

// took is how long all tests took, one after the other.
func (s Suite) took() time.Duration {
	var sum time.Duration
	for _, r := range s.Results {
		sum += r.Took
	}
	return sum
}

func (s Suite) failed() []Result {
	var out []Result
	for _, r := range s.Results {
		if r.Problem != "" {
			out = append(out, r)
		}
	}
	return out
}

// Failed is a target of which some tests did not pass.
type Failed struct {
	Target  model.TargetID
	Results []Result // those that did not pass
	Of      int      // how many there are
}

// shownLines is how much of a failed test's output is shown.
const shownLines = 10

// Error lists the tests that failed, with the end of what they printed.
func (f *Failed) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "testing %s: %d of %d tests failed", f.Target, len(f.Results), f.Of)
	for _, r := range f.Results {
		fmt.Fprintf(&b, "\n%s: %s\n  $ %s", r.Test.Name, r.Problem, r.Test.Cmd)
		if out := strings.TrimSpace(r.Output); out != "" {
			b.WriteString("\n" + indent(lastLines(out, shownLines), "  | "))
		}
	}
	return printable(b.String())
}

func lastLines(s string, n int) string {
	lines := strings.Split(s, "\n")
	return strings.Join(lines[max(0, len(lines)-n):], "\n")
}

func indent(s, prefix string) string { return prefix + strings.ReplaceAll(s, "\n", "\n"+prefix) }

// printable keeps an image's control characters off the terminal.
func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, s)
}

// maxOutput bounds what is kept of a test's output.
const maxOutput = 64 << 10

// tail keeps the end of what is written to it.
type tail struct {
	mu  sync.Mutex
	buf []byte
	cut bool
}

func (t *tail) Write(b []byte) (int, error) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.buf = append(t.buf, b...)
	if len(t.buf) > maxOutput {
		t.buf, t.cut = append(t.buf[:0], t.buf[len(t.buf)-maxOutput:]...), true
	}
	return len(b), nil
}

func (t *tail) String() string {
	t.mu.Lock()
	defer t.mu.Unlock()
	s := strings.ToValidUTF8(string(t.buf), "\uFFFD")
	if t.cut {
		s = "[...]" + s
	}
	return s
}
