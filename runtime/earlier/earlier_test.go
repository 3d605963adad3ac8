package earlier_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/earlier"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

func client() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
}

// publish merges what a plan has, at a date.
func publish(t *testing.T, p *model.Plan, date string) model.Receipt {
	t.Helper()
	p.Date = date
	p.Indexes[0].Version = plantest.Version + "-" + date
	plantest.All(t, client(), p)
	r, err := index.Step{Registry: client()}.Run(t.Context(), p, &p.Indexes[0])
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func python(s *registrytest.Server, content string) *model.Plan {
	return plantest.Plan(s.Prefix("testing"), '1', plantest.Image{ID: "python", Content: content})
}

// TestNewestIsOfTheLastDay: tags are no sorted list of versions.
func TestNewestIsOfTheLastDay(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	var last model.Receipt
	for n := range 11 { // .10 comes behind .9
		last = publish(t, python(s, string(rune('a'+n))), "2026.11.21")
	}
	old := publish(t, python(s, "old"), "2025.12.31")
	p := python(s, "next")
	v, found, err := earlier.Newest(t.Context(), client(), p, &p.Indexes[0], "")
	if err != nil || !found || v.Digest != last.Digest || v.Tag != "1-2026.11.21.10" {
		t.Fatalf("newest is %+v, %v, %v; want %s", v, found, err, last.VersionTag)
	}
	if before, _, err := earlier.Newest(t.Context(), client(), p, &p.Indexes[0], last.Digest); err != nil || before.Tag != "1-2026.11.21.9" {
		t.Errorf("the one before is %+v, %v", before, err)
	}
	if at, err := earlier.At(t.Context(), client(), v.Repository, old.VersionTag); err != nil || at.Digest != old.Digest || len(at.Images) != 2 || at.Images[0].Size == 0 || len(at.Images[0].Layers) != 1 {
		t.Errorf("at %s: %+v, %v", old.VersionTag, at, err)
	}
}

// TestTimesComeFromReceipts: of what was never published nothing is known, and
// an index that is not to be built is not asked for.
func TestTimesComeFromReceipts(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	publish(t, python(s, "a"), "2026.11.21")
	next := plantest.Plan(s.Prefix("testing"), '1', plantest.Image{ID: "python", Content: "b"}, plantest.Image{ID: "new"}, plantest.Image{ID: "idle"})
	for n := range next.Entries {
		if e := &next.Entries[n]; e.Image == "idle" {
			e.Action, e.Steps = model.ActionNone, map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
		}
	}
	s.Forget()
	times, err := earlier.Measured(t.Context(), client(), next)
	if err != nil {
		t.Fatal(err)
	}
	id := model.TargetID{Image: "python", Tag: plantest.Version}
	want := earlier.Times{}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		id.Platform = p
		want[id] = 2 * plantest.Seconds // build and test
	}
	if d := cmp.Diff(want, times); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	for _, r := range s.Requests() {
		if strings.Contains(r, "/idle") {
			t.Errorf("asked for what does not run: %s", r)
		}
	}
}

// TestRequestsAreComparedWithWhatIsMerged: a request's own scope has nothing.
func TestRequestsAreComparedWithWhatIsMerged(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	publish(t, python(s, "a"), "2026.11.21")
	p := python(s, "b")
	p.Prefix, p.ReadPrefix, p.SnapshotID, p.Scope = s.Prefix("pr"), p.Prefix, "pr-7", model.ScopePR
	p.Indexes[0].Version += "-pr-7"
	v, found, err := earlier.Newest(t.Context(), client(), p, &p.Indexes[0], "")
	if err != nil || !found || v.Tag != "1-2026.11.21" {
		t.Errorf("%+v, %v, %v", v, found, err)
	}
}

// TestTroubleIsAnError: what cannot be read is not taken for "never".
func TestTroubleIsAnError(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	publish(t, python(s, "a"), "2026.11.21")
	s.Fail(registrytest.Fault{Status: http.StatusInternalServerError})
	if times, err := earlier.Measured(t.Context(), client(), python(s, "b")); err == nil {
		t.Errorf("no error, and %v", times)
	}
}
