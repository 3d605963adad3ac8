package gc_test

import (
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
)

// TestClosedRequest: what pr-7 published goes at once, whatever its age, and
// nothing of pr-8, with which it shares a platform's bytes.
func TestClosedRequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	request := func(id, content string) *model.Plan {
		p := f.plan('1', base("shared"), plantest.Image{ID: "python", Content: content})
		p.Scope, p.SnapshotID = model.ScopePR, id
		for n := range p.Indexes {
			p.Indexes[n].Version += "-" + id
		}
		for n := range p.Entries {
			if e := &p.Entries[n]; e.Image == "base" && e.Platform == model.LinuxARM64 { // the other one is the same
				e.Key = model.DigestOf([]byte(id))
			}
		}
		plantest.Refresh(p)
		f.publish(p)
		return p
	}
	seven, eight := request("pr-7", "seven"), request("pr-8", "eight")
	f.attach("python", seven.Indexes[1].Version)
	f.now = f.now.Add(30 * 24 * time.Hour)
	if items, _ := f.run(f.step(time.Hour), gc.Request{Delete: true}).Count(); items != 0 {
		t.Errorf("a collection of everything found %d in open requests", items)
	}
	r := f.run(f.step(0), gc.Request{Snapshot: "pr-7", Delete: true})
	if items, deleted := r.Count(); deleted != items || deleted == 0 {
		t.Errorf("deleted %d of %d", deleted, items)
	}
	for _, repo := range []string{"base", "python"} {
		f.whole(repo, eight.Indexes[0].Version)
		for _, tag := range f.tags(repo) {
			if strings.Contains(tag, "pr-7") && repo == "python" || tag == seven.Indexes[0].Version {
				t.Errorf("%s:%s is still there", repo, tag)
			}
		}
	}
	if items, _ := f.run(f.step(0), gc.Request{Snapshot: "pr-7", Delete: true}).Count(); items != 0 {
		t.Errorf("a second time finds %d", items)
	}
	if _, err := f.step(0).Run(t.Context(), gc.Request{Snapshot: "../x"}); err == nil {
		t.Error("a snapshot that is none was taken")
	}
}
