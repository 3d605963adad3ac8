package gate

import (
	"fmt"
	"io"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/junit"
)

// WriteJUnit writes the verdicts as JUnit XML: a suite for each platform's
// digest, with a failed test for each finding that blocks and an error for each
// source that has not answered. Without either it has one test that passed.
func WriteJUnit(w io.Writer, subjects []Subject) error {
	all := make([]junit.Suite, len(subjects))
	for i := range subjects {
		all[i] = junitOf(&subjects[i].Verdict)
	}
	return junit.Write(w, all)
}

func junitOf(v *model.Verdict) junit.Suite {
	label := clean(Label(v))
	s := junit.Suite{Name: "gate " + label}
	for _, u := range v.Unfinished {
		s.Cases = append(s.Cases, junit.Case{Name: "scan", Class: label, Error: &junit.Problem{Message: clean(u)}})
	}
	for _, j := range v.Blocking {
		f := j.Finding
		s.Cases = append(s.Cases, junit.Case{Name: clean(f.ID + " in " + name(&f)), Class: label, Failure: &junit.Problem{
			Message: clean(j.Rule + ": " + j.Why), Text: clean(fmt.Sprintf("%s %s in %s of %s", f.Severity, f.ID, name(&f), v.Digest)),
		}})
	}
	for _, j := range v.Excepted {
		s.Cases = append(s.Cases, junit.Case{Name: clean(j.Finding.ID + " in " + name(&j.Finding)), Class: label, Output: clean(strings.TrimSpace(j.Exception + " " + j.Why))})
	}
	if len(s.Cases) == 0 {
		s.Cases = []junit.Case{{Name: "nothing blocks", Class: label}}
	}
	return s
}
