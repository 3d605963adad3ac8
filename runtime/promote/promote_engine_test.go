package promote_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/withdraw"
)

// TestPromotionInTheRealRegistry promotes, withdraws and refuses in a registry
// that mounts blobs, and lists nothing by its subject.
func TestPromotionInTheRealRegistry(t *testing.T) {
	t.Parallel()
	prefix := enginetest.Services(t).Registry + "/promote-"
	c, store := registry.New(registry.Options{}), &channel.File{Dir: t.TempDir()}
	p := plantest.Plan(prefix+"testing", '1', plantest.Image{ID: "python"}, plantest.Image{ID: "hello"})
	var arm model.Digest
	for n := range p.Entries {
		e := &p.Entries[n]
		d := plantest.Build(t, c, p, e)
		plantest.Test(t, c, p, e, d)
		repo := p.Prefix + "/" + e.Repository
		plantest.List(t, c, repo, d)
		err := scan.Store{Registry: c}.Save(t.Context(), repo, model.Scan{
			Image: e.Image, Tag: e.Tag, Platform: e.Platform.String(), Digest: d, Source: model.SourceLocal, Tool: "grype 1",
			Database: "2026-11-20T00:00:00Z", State: model.ScanFinished, Time: "2026-11-21T00:00:00Z", Findings: []model.Finding{},
		})
		if err != nil {
			t.Fatal(err)
		}
		if e.Image == "python" && e.Platform == model.LinuxARM64 {
			arm = d
		}
	}
	for n := range p.Indexes {
		if _, err := (index.Step{Registry: c}).Run(t.Context(), p, &p.Indexes[n]); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := (manifest.Step{Registry: c, Store: store}).Run(t.Context(), p); err != nil {
		t.Fatal(err)
	}
	s := promote.Step{
		Registry: c, Store: store, Testing: p.Prefix, Prod: prefix + "prod",
		Policy: strict(), Scanner: found(""), Now: func() time.Time { return today },
	}
	r, err := s.Run(t.Context(), nil, nil)
	if err != nil || !r.Written {
		t.Fatalf("%+v, %v", r, err)
	}
	if r, err = s.Run(t.Context(), nil, nil); err != nil || r.Written {
		t.Fatalf("again: %+v, %v", r, err)
	}
	kinds := map[string]bool{}
	list, err := c.Artifacts(t.Context(), prefix+"prod/python", arm, "")
	if err != nil {
		t.Fatal(err)
	}
	for _, f := range list {
		kinds[f.Type] = true
	}
	if !kinds[cycloneDX] || !kinds[verdictType] {
		t.Errorf("prod has %v", list)
	}
	if scans, err := (scan.Store{Registry: c}).Newest(t.Context(), prefix+"prod/python", arm); err != nil || len(scans) != 1 {
		t.Errorf("the scan came without its receipt: %v, %v", scans, err)
	}
	if _, found, err := c.Receipt(t.Context(), prefix+"prod/python", plantest.ListReceipt(arm)); err != nil || !found {
		t.Errorf("the list came without its receipt: %v", err)
	}
	for _, e := range p.Entries {
		if _, found, err := c.Receipt(t.Context(), prefix+"prod/"+e.Repository, model.ReceiptTag(model.StepBuild, model.BuildStepKey(e.Key, 0))); err != nil || !found {
			t.Errorf("%s came without the receipt of its build: %v", e.ID(), err)
		}
	}
	w := withdraw.Step{Store: store, Reason: "a key leaked", Places: []withdraw.Place{
		{Registry: c, Repo: p.Prefix + "/python"}, {Registry: c, Repo: prefix + "prod/python"}, {Registry: c, Repo: p.Prefix + "/hello"}, {Registry: c, Repo: prefix + "prod/hello"},
	}}
	withdrawn, err := w.Run(t.Context(), arm)
	if err != nil || len(withdrawn.Items) != 2 || len(withdrawn.Retired[channel.Prod]) != 1 {
		t.Fatalf("%+v, %v", withdrawn, err)
	}
	if left, err := s.Settle(t.Context(), withdrawn.Digests()); err != nil || len(left) != 2 {
		t.Errorf("%v, %v", left, err)
	}
	if _, _, err := s.Rollback(t.Context(), promote.Choice{Version: "1"}, nil); err == nil || !strings.Contains(err.Error(), "was withdrawn: a key leaked") {
		t.Errorf("got %v", err)
	}
}
