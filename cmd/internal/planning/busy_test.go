package planning_test

import (
	"bytes"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestShownAsTheWholePlan prints a plan that was made to be shown in every form,
// and the whole plan beside it: they must not differ.
func TestShownAsTheWholePlan(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(files("1"))
	r.Git("tag", "v1")
	r.Commit(map[string]string{"images/other/Dockerfile": "FROM scratch\nCOPY new /\n", "images/other/new": "new\n"})
	for _, to := range []string{"v1", "HEAD"} {
		o := planning.Options{From: "v1", To: to, State: planning.StateOff}
		s, err := planning.Load(t.Context(), frame(r.Dir, nil), o)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = s.Close() })
		whole, err := s.Plan(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for _, format := range planning.Formats() {
			for _, verbose := range []bool{false, true} {
				var want bytes.Buffer
				if err := s.WriteWith(t.Context(), &want, whole, format, false, verbose); err != nil {
					t.Fatal(err)
				}
				want.WriteString(planning.Summary(whole, planning.Unlisted(verbose)))
				streams, out, said := term.Buffers()
				a := &app.App{Streams: streams, Dir: r.Dir, Env: func(string) string { return "" }, Log: frame(r.Dir, nil).Log, Verbose: verbose}
				if err := planning.Print(t.Context(), a, o, format, func(*model.Settings) error { return nil }); err != nil {
					t.Fatal(err)
				}
				got := out.String()
				if format == "text" {
					summary, _, _ := bytes.Cut(said.Bytes(), []byte("\n"))
					got += string(summary)
				} else {
					got += planning.Summary(whole, planning.Unlisted(verbose))
				}
				if got != want.String() {
					t.Errorf("%s as %s, verbose: %t:\n%s\nthe whole plan:\n%s", to, format, verbose, got, want.String())
				}
			}
		}
	}
}
