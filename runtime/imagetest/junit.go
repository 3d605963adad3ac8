package imagetest

import (
	"encoding/xml"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"
)

type junitSuites struct {
	XMLName  xml.Name     `xml:"testsuites"`
	Tests    int          `xml:"tests,attr"`
	Failures int          `xml:"failures,attr"`
	Suites   []junitSuite `xml:"testsuite"`
}

type junitSuite struct {
	Name      string      `xml:"name,attr"`
	Tests     int         `xml:"tests,attr"`
	Failures  int         `xml:"failures,attr"`
	Time      string      `xml:"time,attr"` // seconds
	Timestamp string      `xml:"timestamp,attr"`
	Cases     []junitCase `xml:"testcase"`
}

type junitCase struct {
	Name    string        `xml:"name,attr"`
	Class   string        `xml:"classname,attr"`
	Time    string        `xml:"time,attr"`
	Failure *junitFailure `xml:"failure,omitempty"`
	Output  string        `xml:"system-out,omitempty"`
}

type junitFailure struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// WriteJUnit writes suites in the form that both forges read, sorted by
// target. What XML cannot hold is replaced.
func WriteJUnit(w io.Writer, suites []Suite) error {
	sorted := slices.SortedFunc(slices.Values(suites), func(a, b Suite) int { return a.Target.Compare(b.Target) })
	all := junitSuites{}
	for _, s := range sorted {
		js := junitSuite{
			Name: s.Target.String(), Tests: len(s.Results), Failures: len(s.failed()),
			Timestamp: s.Started.UTC().Format("2006-01-02T15:04:05"),
		}
		var took time.Duration
		for _, r := range s.Results {
			took += r.Took
			c := junitCase{Name: clean(r.Test.Name), Class: s.Target.Node(), Time: seconds(r.Took), Output: clean(r.Output)}
			if r.Problem != "" {
				c.Failure = &junitFailure{Message: clean(r.Problem), Text: clean("$ " + r.Test.Cmd)}
			}
			js.Cases = append(js.Cases, c)
		}
		js.Time = seconds(took)
		all.Tests += js.Tests
		all.Failures += js.Failures
		all.Suites = append(all.Suites, js)
	}
	if _, err := io.WriteString(w, xml.Header); err != nil {
		return err
	}
	e := xml.NewEncoder(w)
	e.Indent("", "  ")
	if err := e.Encode(all); err != nil {
		return err
	}
	_, err := io.WriteString(w, "\n")
	return err
}

func seconds(d time.Duration) string { return fmt.Sprintf("%.3f", d.Seconds()) }

// clean keeps what XML 1.0 can hold.
func clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
