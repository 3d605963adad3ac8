package junit_test

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/junit"
)

// TestWrite counts what failed and what could not be looked at, of each suite
// and of all, whatever the suites said before.
func TestWrite(t *testing.T) {
	t.Parallel()
	no := &junit.Problem{Message: "no"}
	var b bytes.Buffer
	err := junit.Write(&b, []junit.Suite{
		{Name: "a", Failures: 7, Cases: []junit.Case{{Name: "1"}, {Name: "2", Failure: no}, {Name: "3", Error: no}}},
		{Name: "b", Time: "1.5", Cases: []junit.Case{{Name: "1", Error: no, Output: "it <ends>"}}},
	})
	if err != nil {
		t.Fatal(err)
	}
	const want = `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="4" failures="1" errors="2">
  <testsuite name="a" tests="3" failures="1" errors="1">
    <testcase name="1" classname=""></testcase>
    <testcase name="2" classname="">
      <failure message="no"></failure>
    </testcase>
    <testcase name="3" classname="">
      <error message="no"></error>
    </testcase>
  </testsuite>
  <testsuite name="b" tests="1" failures="0" errors="1" time="1.5">
    <testcase name="1" classname="">
      <error message="no"></error>
      <system-out>it &lt;ends&gt;</system-out>
    </testcase>
  </testsuite>
</testsuites>
`
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestClean(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a\tb\r\n":         "a\tb\r\n",
		"\x1b[0m\xff":      "\uFFFD[0m\uFFFD",
		"\uFFFE\U0001F600": "\uFFFD\U0001F600",
		"\x00":             "\uFFFD",
	} {
		if got := junit.Clean(in); got != want {
			t.Errorf("Clean(%q) = %q, want %q", in, got, want)
		}
	}
}
