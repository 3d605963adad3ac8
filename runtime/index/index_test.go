package index_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// The test program is also the second process of a race: it merges the plan
// that it reads from a file.
const racerPlan = "INDEX_RACER_PLAN"

func TestMain(m *testing.M) {
	if file := os.Getenv(racerPlan); file != "" {
		if err := race(file); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func race(file string) error {
	b, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var p model.Plan
	if err := json.Unmarshal(b, &p); err != nil {
		return err
	}
	_, err = index.Step{Registry: client()}.Run(context.Background(), &p, &p.Indexes[0])
	if _, skipped := step.Skipped(err); skipped {
		return nil
	}
	return err
}

func client() *registry.Client {
	return registry.New(registry.Options{Sleep: func(ctx context.Context, _ time.Duration) error { return context.Cause(ctx) }})
}

func merge(t *testing.T, p *model.Plan) (model.Receipt, error) {
	t.Helper()
	return index.Step{Registry: client(), Now: func() time.Time { return time.Unix(1795000000, 0) }}.Run(t.Context(), p, &p.Indexes[0])
}

func mustMerge(t *testing.T, p *model.Plan) model.Receipt {
	t.Helper()
	r, err := merge(t, p)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func python(s *registrytest.Server, content string) *model.Plan {
	return plantest.Plan(s.Prefix("testing"), '1', plantest.Image{ID: "python", Content: content})
}

// versions are the tags that people see, and what they stand for.
func versions(t *testing.T, p *model.Plan) map[string]model.Digest {
	t.Helper()
	c, repo := client(), p.Prefix+"/python"
	tags, err := c.Tags(t.Context(), repo)
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]model.Digest{}
	for _, tag := range tags {
		if strings.HasPrefix(tag, plantest.Version+"-") {
			d, _, err := c.Resolve(t.Context(), repo, tag)
			if err != nil {
				t.Fatal(err)
			}
			out[tag] = d.Digest
		}
	}
	return out
}

func TestMergePublishesTheWholeIndex(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := python(s, "a")
	plantest.All(t, client(), p)
	r := mustMerge(t, p)
	if r.VersionTag != "1-2026.11.21" || len(r.Inputs) != 6 {
		t.Errorf("receipt %+v", r)
	}
	raw, d, err := client().Manifest(t.Context(), p.Prefix+"/python", r.VersionTag)
	if err != nil || d.Digest != r.Digest {
		t.Fatalf("the version tag stands for %v, %v", d, err)
	}
	var idx v1.IndexManifest
	if err := json.Unmarshal(raw, &idx); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{
		"dev.rootfsgen.key": p.Indexes[0].Identity.String(), "dev.rootfsgen.plan": p.To.Tree,
		"org.opencontainers.image.created": "2026-11-21T00:00:00Z", "org.opencontainers.image.revision": p.To.Commit,
		"org.opencontainers.image.title": "python", "org.opencontainers.image.version": "1-2026.11.21",
	}, idx.Annotations); diff != "" {
		t.Error(diff)
	}
	got := versions(t, p)
	for n, platform := range []string{"amd64", "arm64"} {
		m := idx.Manifests[n]
		if m.Platform.Architecture != platform || got["1-2026.11.21-linux-"+platform].String() != m.Digest.String() {
			t.Errorf("%s: %+v, its tag stands for %s", platform, m, got["1-2026.11.21-linux-"+platform])
		}
	}
	again, err := merge(t, p)
	if reason, skipped := step.Skipped(err); !skipped || !strings.Contains(reason, "1-2026.11.21") || again.Digest != r.Digest {
		t.Errorf("again: %+v, %v", again, err)
	}
	if len(versions(t, p)) != 3 {
		t.Errorf("tags %v", versions(t, p))
	}
}

func TestMergeRefusesWhatIsNotWhole(t *testing.T) {
	t.Parallel()
	cases := []struct {
		name  string
		setUp func(t *testing.T, c *registry.Client, p *model.Plan)
		want  []string
	}{
		{"nothing is built", func(*testing.T, *registry.Client, *model.Plan) {}, []string{"linux/amd64 is not built", "linux/arm64 is not built"}},
		{"one is not built", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.Test(t, c, p, &p.Entries[0], plantest.Build(t, c, p, &p.Entries[0]))
		}, []string{"linux/arm64 is not built"}},
		{"one is not tested", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.Test(t, c, p, &p.Entries[0], plantest.Build(t, c, p, &p.Entries[0]))
			plantest.Build(t, c, p, &p.Entries[1])
		}, []string{"linux/arm64: its tests have not passed"}},
		{"its tests were edited", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.All(t, c, p)
			p.Entries[0].TestsKey = model.DigestOf([]byte("edited"))
		}, []string{"linux/amd64: its tests have not passed"}},
		{"unequal generations", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.All(t, c, p)
			anew := p.Entries[0]
			anew.Generation = 1
			plantest.Test(t, c, p, &anew, plantest.Build(t, c, p, &anew))
		}, []string{"linux/amd64 is of generation 1, linux/arm64 of 0"}},
		{"not built anew", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.All(t, c, p)
			p.Entries[1].Generation = 2
		}, []string{"linux/arm64 is not built anew, as generation 2"}},
		{"another digest was tested", func(t *testing.T, c *registry.Client, p *model.Plan) {
			plantest.All(t, c, p)
			other := p.Entries[1]
			if err := c.MoveTag(t.Context(), p.Prefix+"/python", plantest.Build(t, c, p, &other), model.ContentTag(p.Entries[0].Key, 0)); err != nil {
				t.Fatal(err)
			}
		}, []string{"linux/amd64: its build was not recorded (the receipt speaks of"}},
	}
	for _, tc := range cases {
		t.Run(tc.name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			p := python(s, "a")
			tc.setUp(t, client(), p)
			_, err := merge(t, p)
			if _, ok := errors.AsType[*index.Incomplete](err); !ok {
				t.Fatalf("got %v", err)
			}
			for _, want := range tc.want {
				if !strings.Contains(err.Error(), want) {
					t.Errorf("%v does not say %q", err, want)
				}
			}
			if got := versions(t, p); len(got) != 0 {
				t.Errorf("it published %v", got)
			}
		})
	}
}

func TestVersionsNeverMove(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	want := map[string]model.Digest{}
	for n, version := range []string{"1-2026.11.21", "1-2026.11.21.1", "1-2026.11.21.2"} {
		p := python(s, fmt.Sprint(n))
		plantest.All(t, client(), p)
		r := mustMerge(t, p)
		if r.VersionTag != version {
			t.Fatalf("the %d. version is %s", n+1, r.VersionTag)
		}
		want[version] = r.Digest
	}
	// What was published under the first version is published under it still.
	first := python(s, "0")
	r, err := merge(t, first)
	if _, skipped := step.Skipped(err); !skipped || r.VersionTag != "1-2026.11.21" {
		t.Errorf("%+v, %v", r, err)
	}
	got := versions(t, first)
	for version, digest := range want {
		if got[version] != digest {
			t.Errorf("%s moved", version)
		}
	}
	if len(got) != 9 {
		t.Errorf("tags %v", got)
	}
}

func TestTheSameIdentityKeepsItsVersion(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := python(s, "a")
	plantest.All(t, client(), p)
	r := mustMerge(t, p)
	later := python(s, "a")
	later.Date, later.Indexes[0].Version, later.To.Commit = "2026.11.22", "1-2026.11.22", strings.Repeat("2", 40)
	again, err := merge(t, later)
	if _, skipped := step.Skipped(err); !skipped || again.VersionTag != r.VersionTag {
		t.Errorf("a day later: %+v, %v", again, err)
	}
	if got := versions(t, p); len(got) != 3 {
		t.Errorf("tags %v", got)
	}
}

func TestSnapshotsFollowTheirRequest(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	var last model.Receipt
	for n := range 2 {
		p := python(s, fmt.Sprint(n))
		p.Scope, p.SnapshotID = model.ScopePR, "pr-7"
		p.Indexes[0].Version += "-pr-7"
		plantest.All(t, client(), p)
		last = mustMerge(t, p)
		if got := versions(t, p)["1-2026.11.21-pr-7"]; got != last.Digest {
			t.Errorf("the snapshot stands for %s, not %s", got, last.Digest)
		}
	}
}

// TestACrashLeavesNothingHalf cuts a merge off before each of its requests and
// runs it again.
func TestACrashLeavesNothingHalf(t *testing.T) {
	t.Parallel()
	for requests := 0; ; requests++ {
		s := registrytest.New(t)
		p := python(s, "a")
		plantest.All(t, client(), p)
		ctx, kill := context.WithCancelCause(t.Context())
		var mu sync.Mutex
		seen := 0
		s.OnRequest(func(*http.Request) {
			mu.Lock()
			defer mu.Unlock()
			if seen++; seen > requests {
				kill(errors.New("killed"))
			}
		})
		s.Fail(registrytest.Fault{After: requests, Status: 500})
		_, err := index.Step{Registry: client()}.Run(ctx, p, &p.Indexes[0])
		s.OnRequest(nil)
		s.Heal()
		whole := err == nil
		if d, found, err := client().Resolve(t.Context(), p.Prefix+"/python", "1-2026.11.21"); err != nil {
			t.Fatal(err)
		} else if found && !d.IsIndex() {
			t.Fatalf("after %d requests the version is no index", requests)
		}
		r, err := merge(t, p)
		if _, skipped := step.Skipped(err); err != nil && !skipped {
			t.Fatalf("after %d requests: %v", requests, err)
		}
		got := versions(t, p)
		if len(got) != 3 || got["1-2026.11.21"] != r.Digest || r.VersionTag != "1-2026.11.21" {
			t.Fatalf("after %d requests: %v, receipt %+v", requests, got, r)
		}
		if whole {
			return
		}
	}
}

func TestARegistryInTroubleLeavesNoHalfIndex(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := python(s, "a")
	plantest.All(t, client(), p)
	s.Fail(registrytest.Fault{Method: http.MethodPut, Path: "/manifests/", Status: 500})
	_, err := merge(t, p)
	var coded interface{ ExitCode() int }
	if !errors.As(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("got %v", err)
	}
	s.Heal()
	if got := versions(t, p); len(got) != 0 {
		t.Errorf("it left %v", got)
	}
	mustMerge(t, p)
}

func TestMergesOfOneDayRaceForTheirVersions(t *testing.T) {
	t.Parallel()
	for round := range 5 {
		s := registrytest.New(t)
		plans := make([]*model.Plan, 4)
		for n := range plans {
			plans[n] = python(s, fmt.Sprint(round, n))
			plantest.All(t, client(), plans[n])
		}
		receipts := make([]model.Receipt, len(plans))
		var wg sync.WaitGroup
		for n, p := range plans {
			wg.Go(func() { receipts[n], _ = merge(t, p) })
		}
		wg.Wait()
		checkRace(t, plans)
	}
}

func TestMergesOfTwoProcessesRace(t *testing.T) {
	t.Parallel()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	s := registrytest.New(t)
	plans := []*model.Plan{python(s, "a"), python(s, "b"), python(s, "a")}
	var wg sync.WaitGroup
	for n, p := range plans {
		plantest.All(t, client(), p)
		file := fmt.Sprintf("%s/%d.json", t.TempDir(), n)
		b, err := json.Marshal(p)
		if err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o600); err != nil {
			t.Fatal(err)
		}
		wg.Go(func() {
			if err := (tool.Command{Name: self, Env: []string{racerPlan + "=" + file}}).Run(t.Context()); err != nil {
				t.Error(err)
			}
		})
	}
	wg.Wait()
	checkRace(t, plans[:2])
}

// checkRace merges every plan once more, as the next run would, and then
// demands a version of its own for each, with its own platforms.
func checkRace(t *testing.T, plans []*model.Plan) {
	t.Helper()
	var taken []string
	for _, p := range plans {
		r, err := merge(t, p)
		if _, skipped := step.Skipped(err); err != nil && !skipped {
			t.Fatal(err)
		}
		taken = append(taken, r.VersionTag)
		got := versions(t, p)
		if got[r.VersionTag] != r.Digest {
			t.Errorf("%s stands for %s, its receipt says %s", r.VersionTag, got[r.VersionTag].Short(), r.Digest.Short())
		}
		for _, m := range r.Inputs {
			platform, err := model.ParsePlatform(m.Name)
			if err == nil && got[r.VersionTag+"-"+platform.Dashed()] != m.Digest {
				t.Errorf("%s-%s stands for another platform's manifest", r.VersionTag, platform.Dashed())
			}
		}
	}
	slices.Sort(taken)
	if len(slices.Compact(taken)) != len(plans) {
		t.Errorf("versions %v for %d indexes", taken, len(plans))
	}
}

func TestEditedTestsMustPassAgain(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := python(s, "a")
	plantest.All(t, client(), p)
	first := mustMerge(t, p)
	for n := range p.Entries {
		p.Entries[n].TestsKey = model.DigestOf([]byte("edited"))
	}
	if _, err := merge(t, p); err == nil || !strings.Contains(err.Error(), "its tests have not passed") {
		t.Errorf("got %v", err)
	}
	if _, merged, err := index.Merged(t.Context(), client(), p, &p.Indexes[0]); err != nil || merged {
		t.Errorf("it counts as merged: %v, %v", merged, err)
	}
	plantest.All(t, client(), p)
	again, err := index.Step{Registry: client()}.Run(t.Context(), p, &p.Indexes[0])
	if err != nil || again.Digest != first.Digest || again.VersionTag != first.VersionTag || again.UpdatedAt != first.UpdatedAt {
		t.Errorf("%+v, %v", again, err)
	}
}
