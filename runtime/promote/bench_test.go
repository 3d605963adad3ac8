package promote_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// BenchmarkPromotionOf200Images promotes 200 images of two platforms, with
// lists of packages, to another repository of the same registry; and then again
// when nothing is new.
func BenchmarkPromotionOf200Images(b *testing.B) {
	for _, again := range []bool{false, true} {
		b.Run(map[bool]string{false: "first", true: "again"}[again], func(b *testing.B) {
			for b.Loop() {
				b.StopTimer()
				server, s := fleet200(b)
				if again {
					if _, err := s.Run(b.Context(), nil, nil); err != nil {
						b.Fatal(err)
					}
				}
				server.Forget()
				b.StartTimer()
				if _, err := s.Run(b.Context(), nil, nil); err != nil {
					b.Fatal(err)
				}
				b.ReportMetric(float64(len(server.Requests()))/200, "requests/image")
			}
		})
	}
}

func fleet200(b *testing.B) (*registrytest.Server, promote.Step) {
	b.Helper()
	server, c, store := registrytest.New(b), client(), &channel.File{Dir: b.TempDir()}
	var images []plantest.Image
	for n := range 200 {
		images = append(images, plantest.Image{ID: fmt.Sprintf("image-%03d", n)})
	}
	p := plantest.Plan(server.Prefix("testing"), '1', images...)
	for n := range p.Entries {
		e := &p.Entries[n]
		d := plantest.Build(b, c, p, e)
		plantest.Test(b, c, p, e, d)
		plantest.List(b, c, p.Prefix+"/"+e.Repository, d)
	}
	for n := range p.Indexes {
		if _, err := (index.Step{Registry: c}).Run(b.Context(), p, &p.Indexes[n]); err != nil {
			b.Fatal(err)
		}
	}
	if _, err := (manifest.Step{Registry: c, Store: store}).Run(b.Context(), p); err != nil {
		b.Fatal(err)
	}
	return server, promote.Step{
		Registry: c, Store: store, Testing: server.Prefix("testing"), Prod: server.Prefix("prod"),
		Policy: strict(), Scanner: found(""), Now: func() time.Time { return today },
	}
}
