package gate

import (
	"encoding/xml"
	"fmt"
	"io"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The parts of JUnit's report that are written; the names are the format's.
type (
	junitSuites struct {
		XMLName  xml.Name     `xml:"testsuites"`
		Tests    int          `xml:"tests,attr"`
		Failures int          `xml:"failures,attr"`
		Errors   int          `xml:"errors,attr"`
		Suites   []junitSuite `xml:"testsuite"`
	}
	junitSuite struct {
		Name     string      `xml:"name,attr"`
		Tests    int         `xml:"tests,attr"`
		Failures int         `xml:"failures,attr"`
		Errors   int         `xml:"errors,attr"`
		Cases    []junitCase `xml:"testcase"`
	}
	junitCase struct {
		Name    string        `xml:"name,attr"`
		Class   string        `xml:"classname,attr"`
		Failure *junitProblem `xml:"failure,omitempty"`
		Error   *junitProblem `xml:"error,omitempty"`
		Out     string        `xml:"system-out,omitempty"`
	}
	junitProblem struct {
		Message string `xml:"message,attr"`
		Text    string `xml:",chardata"`
	}
)

// WriteJUnit writes the verdicts as JUnit XML: a suite for each platform's
// digest, with a failed test for each finding that blocks and an error for each
// source that has not answered. Without either it has one test that passed.
func WriteJUnit(w io.Writer, subjects []Subject) error {
	var all junitSuites
	for i := range subjects {
		s := junitOf(&subjects[i].Verdict)
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites = append(all.Suites, s)
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

func junitOf(v *model.Verdict) junitSuite {
	label := clean(Label(v))
	s := junitSuite{Name: "gate " + label}
	for _, u := range v.Unfinished {
		s.Errors++
		s.Cases = append(s.Cases, junitCase{Name: "scan", Class: label, Error: &junitProblem{Message: clean(u)}})
	}
	for _, j := range v.Blocking {
		f := j.Finding
		s.Failures++
		s.Cases = append(s.Cases, junitCase{Name: clean(f.ID + " in " + name(&f)), Class: label, Failure: &junitProblem{
			Message: clean(j.Rule + ": " + j.Why), Text: clean(fmt.Sprintf("%s %s in %s of %s", f.Severity, f.ID, name(&f), v.Digest)),
		}})
	}
	for _, j := range v.Excepted {
		s.Cases = append(s.Cases, junitCase{Name: clean(j.Finding.ID + " in " + name(&j.Finding)), Class: label, Out: clean(strings.TrimSpace(j.Exception + " " + j.Why))})
	}
	if len(s.Cases) == 0 {
		s.Cases = []junitCase{{Name: "nothing blocks", Class: label}}
	}
	s.Tests = len(s.Cases)
	return s
}
