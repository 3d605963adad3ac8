package planning_test

import (
	"log/slog"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// BenchmarkPlan plans a fleet of 1,000 images of which one was edited: both
// trees are loaded.
func BenchmarkPlan(b *testing.B) {
	r := gittest.New(b)
	r.Commit(fleetgen.Files(fleetgen.Options{}))
	r.Git("tag", "v1")
	r.Commit(map[string]string{"images/" + fleetgen.Name(3) + "/file0.txt": "edited\n"})
	for b.Loop() {
		streams, _, _ := term.Buffers()
		a := &app.App{Streams: streams, Dir: r.Dir, Env: func(string) string { return "" }, Log: slog.New(slog.DiscardHandler)}
		s, err := planning.Load(b.Context(), a, planning.Options{State: planning.StateOff})
		if err != nil {
			b.Fatal(err)
		}
		p, err := s.Plan(b.Context())
		if err != nil {
			b.Fatal(err)
		}
		if err := planning.Write(streams.Out, p, "json", false, false); err != nil {
			b.Fatal(err)
		}
		if err := s.Close(); err != nil {
			b.Fatal(err)
		}
	}
}
