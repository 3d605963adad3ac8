package buildkit

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/solver/errdefs"
	"github.com/moby/buildkit/solver/pb"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// TestFailureKnowsItsPlace gives errors as the daemon sends them, with the
// lines that it blames.
func TestFailureKnowsItsPlace(t *testing.T) {
	t.Parallel()
	lines := func(name string, numbers ...int32) *errdefs.Source {
		s := &pb.SourceInfo{Filename: name, Data: []byte("FROM scratch\nRUN a\nRUN b\nRUN c\n")}
		out := &errdefs.Source{Info: s}
		for _, n := range numbers {
			out.Ranges = append(out.Ranges, &pb.Range{Start: &pb.Position{Line: n}, End: &pb.Position{Line: n}})
		}
		return out
	}
	file := func(line int) diag.Pos { return diag.Pos{File: "images/a/Dockerfile", Line: line} }
	for name, c := range map[string]struct {
		source *errdefs.Source
		path   string
		want   diag.Pos
	}{
		"one line":            {lines(dockerfileName, 3), "images/a/Dockerfile", file(3)},
		"the first of many":   {lines(dockerfileName, 4, 2), "images/a/Dockerfile", file(2)},
		"none is blamed":      {lines(dockerfileName), "images/a/Dockerfile", diag.Pos{}},
		"nobody wrote it":     {lines(dockerfileName, 1), "", diag.Pos{}},
		"another file":        {lines("other", 1), "images/a/Dockerfile", diag.Pos{}},
		"nothing of a source": {nil, "images/a/Dockerfile", diag.Pos{}},
	} {
		err := errors.New("exit code 1")
		if c.source != nil {
			err = errdefs.WithSource(err, c.source)
		}
		f, is := errors.AsType[*Failure]((&Client{}).explain(err, newTails(), Request{Name: "a", Path: c.path}))
		if !is {
			t.Errorf("%s: no failure", name)
			continue
		}
		if d := cmp.Diff(c.want, f.Place()); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}
