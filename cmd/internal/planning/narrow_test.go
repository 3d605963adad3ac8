package planning

import (
	"errors"
	"log/slog"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestPartInGit plans edits of a fleet in a repository, with a part of it and
// with all of it: every byte that is said is the same.
func TestPartInGit(t *testing.T) {
	t.Parallel()
	const most = 58 // that a part leaves out, as images are four deep
	wide := fleetgen.Wide{Images: 60}
	leaf, other := "images/"+wide.Name(59)+"/", "images/"+wide.Name(58)+"/"
	files := map[string]string{}
	wide.Each(func(path, content string) { files[path] = content })
	for _, test := range []struct {
		name          string
		before, after map[string]string
		apart         int  // images that are left out
		widens        bool // the older side needs more than what is foreseen
		fails, inCI   bool
	}{
		{name: "a file", after: map[string]string{leaf + "app.sh": "edited\n"}, apart: most - 1},
		{name: "a file that nothing reads", after: map[string]string{leaf + "README.md": "edited\n"}, apart: most - 1},
		{name: "a file of no image", before: map[string]string{"docs/x": "x\n"}, after: map[string]string{"docs/x": "y\n"}, apart: 60},
		{name: "the root of all", after: map[string]string{"images/" + wide.Name(0) + "/app.sh": "edited\n"}},
		{name: "a parent", after: map[string]string{leaf + "Dockerfile": "FROM " + wide.Name(2) + "\n"}, apart: most - 2},
		{name: "a new file", after: map[string]string{leaf + "new": "\n"}},
		{name: "a parent that was hidden", before: map[string]string{leaf + "Dockerfile": "ARG A=image-0000\nARG B=03\nFROM $A$B\nRUN <<E\ntrue\nE\n"},
			after: map[string]string{leaf + "Dockerfile": "FROM scratch\n"}, apart: 59, widens: true},
		{name: "a parent that is hidden", before: map[string]string{leaf + "Dockerfile": "ARG A=image-0000\nARG B=03\nFROM $A$B\nRUN <<E\ntrue\nE\n"}, after: map[string]string{other + "app.sh": "\n"}},
		{name: "a mistake elsewhere", before: map[string]string{leaf + "Dockerfile": "FROM scratch\nCOPY none /\n"}, after: map[string]string{other + "app.sh": "\n"}, apart: most - 2, inCI: true},
		{name: "a base elsewhere that is not locked", before: map[string]string{leaf + "Dockerfile": "FROM debian:13\n"}, after: map[string]string{other + "app.sh": "\n"}, apart: most - 2, inCI: true},
		{name: "a text elsewhere that cannot be read", before: map[string]string{leaf + "Dockerfile": "FROM scratch\nNOTHING\n"}, after: map[string]string{other + "app.sh": "\n"}, apart: most - 2, inCI: true},
		{name: "a cycle elsewhere", before: map[string]string{leaf + "Dockerfile": "FROM " + wide.Name(58) + "\n", other + "Dockerfile": "FROM " + wide.Name(59) + "\n"},
			after: map[string]string{"images/" + wide.Name(57) + "/app.sh": "\n"}, fails: true, inCI: true},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			r := gittest.New(t)
			r.Commit(files)
			r.Commit(test.before)
			r.Git("tag", "v1")
			r.Commit(test.after)
			for _, ci := range []string{"", "1"} {
				q := asking{app: app.App{Dir: r.Dir, Config: "rootfsgen.yaml", Diagnostics: "text", Log: slog.New(slog.DiscardHandler), Env: func(name string) string {
					return map[string]string{"CI": ci}[name]
				}}, o: Options{From: "v1", To: "HEAD", State: StateOff}}
				for _, q.format = range []string{"text", "markdown", "github"} {
					part := q.answer(t.Context(), "with a part")
					q.o.parts = partsNever
					whole := q.answer(t.Context(), "without")
					q.o.parts = partsMostly
					if diff := cmp.Diff(whole, part); diff != "" {
						t.Errorf("CI=%q, %s (-whole +part):\n%s", ci, q.format, diff)
					}
					fails := test.fails || test.inCI && ci != ""
					if strings.Contains(whole, "[error]") != fails {
						t.Errorf("CI=%q fails: %t\n%s", ci, !fails, whole)
					}
				}
				if apart, widened := partOf(t, &q); apart != test.apart || widened != test.widens {
					t.Errorf("CI=%q: %d images are left out, not %d; widened: %t", ci, apart, test.apart, widened)
				}
			}
		})
	}
}

// partOf tells how many images a plan leaves out at first, and whether that
// turns out to be too much.
func partOf(t *testing.T, q *asking) (apart int, widened bool) {
	t.Helper()
	a, o := q.app, q.o
	a.Quiet, o.brief, o.busy = true, true, true
	s, err := open(t.Context(), &a, o)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	ahead := s.foresee(t.Context())
	if ahead == nil {
		t.Fatal("nothing is foreseen")
	}
	s.ahead = &outlook{ahead.since, ahead.req}
	if err = s.load(t.Context()); s.part == nil {
		return 0, false
	}
	apart = s.part.Apart()
	if err == nil {
		_, err = s.Plan(t.Context())
	}
	return apart, err == nil && s.part == nil
}
