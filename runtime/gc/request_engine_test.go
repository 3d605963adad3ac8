package gc_test

import (
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/gc"
)

// request publishes what the pipeline of a request does.
func (f *fleet) request(id, content string) *model.Plan {
	f.Helper()
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

// TestClosedRequest: what pr-7 published goes at once, whatever its age, and
// nothing of pr-8, with which it shares a platform's bytes.
func TestClosedRequest(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	seven, eight := f.request("pr-7", "seven"), f.request("pr-8", "eight")
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

// TestWhatQueuesLeft: nothing closes what a merge queue or a train tried, so
// it goes with any request that closes, once it is old; a train's with its own
// request, at once.
func TestWhatQueuesLeft(t *testing.T) {
	t.Parallel()
	f := newFleet(t)
	const week = 7 * 24 * time.Hour
	published := map[string]*model.Plan{}
	for id, age := range map[string]time.Duration{"queue-1": week, "queue-2": week - time.Hour, "train-7": time.Hour, "train-8": week, "train-9": time.Hour, "mr-7": week, "mr-8": 9 * week, "queue-x": 9 * week, "v-1": 9 * week} {
		f.now = began.Add(-age)
		published[id] = f.request(id, id)
	}
	f.now = began
	left := func() map[string]bool {
		t.Helper()
		all := map[string]bool{}
		for id, p := range published {
			version := p.Indexes[1].Version
			if slices.Contains(f.tags("python"), version) {
				all[id] = true
				f.whole("python", version)
				f.whole("base", p.Indexes[0].Version)
			}
		}
		return all
	}
	f.run(f.step(0), gc.Request{Snapshot: "mr-7", Delete: true})
	if d := cmp.Diff(map[string]bool{"queue-1": true, "queue-2": true, "train-8": true, "train-9": true, "mr-8": true, "queue-x": true, "v-1": true}, left()); d != "" {
		t.Errorf("mr-7 alone (-want +left):\n%s", d)
	}
	f.run(f.step(0), gc.Request{Snapshot: "mr-5", Queues: week, Delete: true})
	want := map[string]bool{"queue-2": true, "train-9": true, "mr-8": true, "queue-x": true, "v-1": true}
	if d := cmp.Diff(want, left()); d != "" {
		t.Errorf("with what is a week old (-want +left):\n%s", d)
	}
	f.now = began.Add(week)
	f.run(f.step(week), gc.Request{Delete: true})
	if d := cmp.Diff(want, left()); d != "" {
		t.Errorf("a collection that was not told of queues (-want +left):\n%s", d)
	}
	f.run(f.step(week), gc.Request{Queues: week, Delete: true})
	if d := cmp.Diff(map[string]bool{"mr-8": true, "queue-x": true, "v-1": true}, left()); d != "" {
		t.Errorf("a collection of everything (-want +left):\n%s", d)
	}
}
