// Package junit writes test reports as JUnit XML, in the form that both forges
// read. The names of elements and attributes are the format's.
package junit

import (
	"encoding/xml"
	"io"
	"strings"
)

// Report is a whole file.
type Report struct {
	XMLName  xml.Name `xml:"testsuites"`
	Tests    int      `xml:"tests,attr"`
	Failures int      `xml:"failures,attr"`
	Errors   int      `xml:"errors,attr"`
	Suites   []Suite  `xml:"testsuite"`
}

// Suite is what was looked at as one thing. Its counts are made of its cases
// when it is written.
type Suite struct {
	Name      string `xml:"name,attr"`
	Tests     int    `xml:"tests,attr"`
	Failures  int    `xml:"failures,attr"`
	Errors    int    `xml:"errors,attr"`
	Time      string `xml:"time,attr,omitempty"`      // seconds
	Timestamp string `xml:"timestamp,attr,omitempty"` // of the start, in UTC, without a zone
	Cases     []Case `xml:"testcase"`
}

// Case is one test. It passed without a failure and an error.
type Case struct {
	Name    string   `xml:"name,attr"`
	Class   string   `xml:"classname,attr"`
	Time    string   `xml:"time,attr,omitempty"` // seconds
	Failure *Problem `xml:"failure,omitempty"`   // what it looked at is not right
	Error   *Problem `xml:"error,omitempty"`     // it could not look
	Output  string   `xml:"system-out,omitempty"`
}

// Problem is why a case did not pass.
type Problem struct {
	Message string `xml:"message,attr"`
	Text    string `xml:",chardata"`
}

// Write writes suites in the order that they have. What XML cannot hold is to
// be replaced before, by Clean.
func Write(w io.Writer, suites []Suite) error {
	all := Report{Suites: make([]Suite, len(suites))}
	for i, s := range suites {
		s.count()
		all.Tests, all.Failures, all.Errors = all.Tests+s.Tests, all.Failures+s.Failures, all.Errors+s.Errors
		all.Suites[i] = s
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

func (s *Suite) count() {
	s.Tests, s.Failures, s.Errors = len(s.Cases), 0, 0
	for _, c := range s.Cases {
		if c.Failure != nil {
			s.Failures++
		}
		if c.Error != nil {
			s.Errors++
		}
	}
}

// Clean keeps what XML 1.0 can hold, and replaces the rest.
func Clean(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r == '\t', r == '\n', r == '\r', r >= 0x20 && r <= 0xD7FF, r >= 0xE000 && r <= 0xFFFD, r >= 0x10000 && r <= 0x10FFFF:
			return r
		}
		return '\uFFFD'
	}, strings.ToValidUTF8(s, "\uFFFD"))
}
