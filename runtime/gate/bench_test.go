package gate_test

import (
	"context"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// many are scans of n digests with as many findings as a large image of a
// distribution has.
func many(n, findings int) []model.Scan {
	var out []model.Scan
	for i := range n {
		s := scan()
		s.Image, s.Digest = fmt.Sprintf("image-%d", i), model.DigestOf([]byte{byte(i), byte(i >> 8)})
		for f := range findings {
			one := low
			one.ID, one.PURL = fmt.Sprintf("CVE-2026-%d", f), fmt.Sprintf("pkg:deb/debian/package-%d@1.%d?arch=amd64&distro=debian-13", f%120, i)
			one.Description = strings.Repeat("What is wrong with it. ", 5)
			s.Findings = append(s.Findings, one)
		}
		out = append(out, s)
	}
	return out
}

// BenchmarkGate judges a document of 200 digests with 300 findings each, from
// its bytes to the report. The issue asks for less than a second.
func BenchmarkGate(b *testing.B) {
	p := strict()
	for i := range 100 {
		x := allowed()
		x.ID = fmt.Sprintf("CVE-2026-%d", i)
		p.Exceptions = append(p.Exceptions, x)
	}
	doc, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: many(200, 300)})
	if err != nil {
		b.Fatal(err)
	}
	b.SetBytes(int64(len(doc)))
	for b.Loop() {
		start := time.Now()
		scans, list := gate.ReadScans("f", doc)
		if len(list) > 0 {
			b.Fatal(list)
		}
		read := time.Now()
		var verdicts []model.Verdict
		for _, s := range gate.JudgeAll(p, now, scans) {
			verdicts = append(verdicts, s.Verdict)
		}
		if r := gate.NewReport(p, now, verdicts, nil); r.Outcome != model.VerdictPass || len(r.Images) != 200 {
			b.Fatal(r.Outcome)
		}
		b.ReportMetric(read.Sub(start).Seconds(), "s-reading")
		b.ReportMetric(time.Since(read).Seconds(), "s-judging")
	}
}

// BenchmarkGatePlan judges 200 digests of a plan whose scans lie in
// build-artifacts, as a run does that comes after one which has passed: what is
// there is asked for, and nothing is written.
func BenchmarkGatePlan(b *testing.B) {
	server := registrytest.New(b)
	client := registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
	var images []plantest.Image
	for n := range 100 {
		images = append(images, plantest.Image{ID: fmt.Sprintf("image-%d", n)})
	}
	plan := plantest.Plan(server.Prefix("testing"), '1', images...)
	s := gate.Step{Registry: client, Policy: strict(), Artifacts: b.TempDir(), Now: func() time.Time { return now }}
	folder := filepath.Join(s.Artifacts, gate.ScansFolder)
	if err := os.MkdirAll(folder, 0o755); err != nil {
		b.Fatal(err)
	}
	sample := many(1, 150)[0]
	for n := range plan.Entries {
		e := &plan.Entries[n]
		one := sample
		one.Image, one.Tag, one.Platform, one.Digest = e.Image, e.Tag, e.Platform.String(), plantest.Build(b, client, plan, e)
		doc, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: []model.Scan{one}})
		if err == nil {
			err = os.WriteFile(filepath.Join(folder, plan.FileName(e.ID())+"-"+e.Platform.Arch+".json"), doc, 0o644)
		}
		if err != nil {
			b.Fatal(err)
		}
	}
	all := func() {
		var g errgroup.Group
		g.SetLimit(8)
		for n := range plan.Entries {
			g.Go(func() error {
				_, err := s.Run(b.Context(), plan, &plan.Entries[n])
				if _, skipped := step.Skipped(err); skipped {
					return nil
				}
				return err
			})
		}
		if err := g.Wait(); err != nil {
			b.Fatal(err)
		}
	}
	start := time.Now()
	all()
	first := time.Since(start).Seconds()
	server.Forget()
	for b.Loop() {
		all()
	}
	b.ReportMetric(first, "s-first")
	b.ReportMetric(float64(len(server.Requests()))/float64(b.N)/200, "requests/digest")
}
