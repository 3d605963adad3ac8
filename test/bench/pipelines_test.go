package bench

import (
	"syscall"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/audit"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
)

// BenchmarkPipelines lays out the pipelines of two thousand images for both
// forges, writes them down, reads them back, counts their limits and audits them,
// in every layout. What is found of the fleet before that is not measured here.
func BenchmarkPipelines(b *testing.B) {
	tree := history.Memory(fleetgen.Files(fleetgen.Options{Images: 2000, Files: 1}))
	fleet, list, err := source.Load(b.Context(), tree, source.Options{})
	if err != nil || list.HasErrors() {
		b.Fatal(err, list)
	}
	g, list, err := graph.Build(b.Context(), fleet, tree, graph.Options{CI: true})
	if err != nil || list.HasErrors() {
		b.Fatal(err, list)
	}
	edges := pipeline.EdgesOf(g)
	b.ReportMetric(0, "ns/op") // says nothing here
	for _, layout := range []string{model.LayoutAuto, model.LayoutWaves} {
		var times, busy []time.Duration
		for range 5 {
			start, worked := time.Now(), processorTime(b)
			p, list, err := pipeline.Layout(fleet, edges, pipeline.Options{})
			if err != nil || list.HasErrors() {
				b.Fatal(err, list)
			}
			p.Layout = layout
			for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
				w, err := render.Write(p, forge, render.DefaultPins())
				if err != nil {
					b.Fatal(err)
				}
				if found, err := audit.Check(w.Files, audit.Default()); err != nil || len(found) > 0 {
					b.Fatal(err, found)
				}
				b.Log(forge, w.Layout, w.Why())
			}
			times, busy = append(times, time.Since(start)), append(busy, processorTime(b)-worked)
		}
		b.ReportMetric(median(times).Seconds(), layout+"-s")
		b.ReportMetric(median(busy).Seconds(), layout+"-cpu-s")
	}
}

// processorTime is what this process has worked so far, on all cores: what it
// takes on a machine that has nothing else to do.
func processorTime(b *testing.B) time.Duration {
	b.Helper()
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		b.Fatal(err)
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}
