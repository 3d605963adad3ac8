package account

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
)

// Outcomes of the tests of a target.
const (
	TestsPassed   = "passed"
	TestsBefore   = "passed before" // on the same bytes: nothing ran
	TestsFailed   = "failed"
	TestsUntested = "untested" // the machine lacks what they need
	TestsNotRun   = "not run"  // of a reason that is not the image's
)

// Tested is what the tests of a target came to.
type Tested struct {
	Name    string // "python linux/amd64"
	Outcome string // one of the Tests constants
	Ran     int    // tests; 0 where nothing ran
	Seconds float64
	Why     string // for TestsUntested and TestsNotRun
	Failed  []FailedTest
}

// FailedTest is one test that did not pass.
type FailedTest struct {
	Name, Problem, Cmd string
	Output             string // all of it that is known, of both streams
}

// The end of a failed test's output that is shown, and how many of a target's
// failed tests are.
const (
	shownTestLines = 40
	shownTestBytes = 8_000
	shownTests     = 20
)

// TestsMarkdown is what tests came to for people on a forge, in at most size
// bytes: a table, then what failed with the end of its output. It is empty
// where there was nothing to test. Nothing in it that an image printed is
// markup.
func TestsMarkdown(list []Tested, size int) string {
	if len(list) == 0 {
		return ""
	}
	var s strings.Builder
	s.WriteString("\n**Tests: " + tally(list) + "**\n\n| image and platform | tests | | time |\n|---|---|---|---|\n")
	for n := range list {
		row := list[n].row()
		if s.Len()+len(row) > size/2 {
			fmt.Fprintf(&s, "| … and %s more | | | |\n", count(len(list)-n, "target"))
			break
		}
		s.WriteString(row)
	}
	left, full := 0, false
	for n := range list {
		for i, f := range list[n].Failed {
			part := ""
			if i < shownTests && !full {
				part = f.markdown(list[n].Name)
				full = s.Len()+len(part)+100 > size
			}
			if part == "" || full {
				left++
				continue
			}
			s.WriteString(part)
		}
	}
	if left > 0 {
		fmt.Fprintf(&s, "\nand %s more that failed\n", count(left, "test"))
	}
	return s.String()
}

// tally counts targets by their outcome, the worst first.
func tally(list []Tested) string {
	n := map[string]int{}
	for i := range list {
		n[list[i].Outcome]++
	}
	var parts []string
	for _, outcome := range []string{TestsFailed, TestsNotRun, TestsUntested, TestsPassed, TestsBefore} {
		if n[outcome] > 0 {
			parts = append(parts, fmt.Sprintf("%d %s", n[outcome], outcome))
		}
	}
	return strings.Join(parts, ", ")
}

func (t *Tested) row() string {
	said := planning.Escape(t.Why)
	switch {
	case len(t.Failed) > 0:
		said = fmt.Sprintf("%d of %d failed", len(t.Failed), t.Ran)
	case t.Outcome == TestsPassed:
		said = fmt.Sprintf("%d of %d passed", t.Ran, t.Ran)
	}
	took := ""
	if t.Ran > 0 {
		took = fmt.Sprintf("%.1f s", t.Seconds)
	}
	return fmt.Sprintf("| %s | %s | %s | %s |\n", planning.Code(t.Name), t.Outcome, said, took)
}

func (f *FailedTest) markdown(target string) string {
	return fmt.Sprintf("\n<details open><summary>%s: %s: %s</summary>\n\n%s\n\n%s</details>\n",
		planning.Escape(target), planning.Escape(f.Name), planning.Escape(f.Problem), planning.Code(f.Cmd), block(end(f.Output)))
}

// end is the end of what a test printed.
func end(s string) string {
	s = strings.TrimRight(strings.ToValidUTF8(s, "\uFFFD"), "\n")
	lines := strings.Split(s, "\n")
	s = strings.Join(lines[max(0, len(lines)-shownTestLines):], "\n")
	if cut := len(s) - shownTestBytes; cut > 0 {
		s = strings.ToValidUTF8(s[cut:], "")
	}
	return s
}

// block is text as it is, in lines: the fence is longer than any in it.
func block(text string) string {
	if strings.TrimSpace(text) == "" {
		return ""
	}
	text = strings.Map(func(r rune) rune {
		if r == '\t' || r == '\n' || r >= ' ' && r != 0x7f && (r < 0x80 || r > 0x9f) {
			return r
		}
		return '\uFFFD'
	}, text)
	fence := "```"
	for strings.Contains(text, fence) {
		fence += "`"
	}
	return fence + "text\n" + text + "\n" + fence + "\n\n"
}
