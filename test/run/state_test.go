package run

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// plan is what is to be done, by "image platform": "build test", "test", or
// nothing; and the plan itself.
func (f *fleet) plan(args ...string) (map[string]string, *model.Plan) {
	f.t.Helper()
	args = append([]string{"plan", "--format", "json", "--registry", f.prefix}, args...)
	cmd := f.command("rootfsgen", args...)
	out, err := cmd.Output()
	if err != nil {
		f.t.Fatalf("rootfsgen %s: %v", strings.Join(args, " "), err)
	}
	var p model.Plan
	if err := json.Unmarshal(out, &p); err != nil {
		f.t.Fatal(err)
	}
	left := map[string]string{}
	for i := range p.Entries {
		e := &p.Entries[i]
		steps := slices.DeleteFunc([]string{model.StepBuild, model.StepTest}, func(s string) bool { return e.Steps[s] != model.StepRun })
		if len(steps) > 0 {
			left[e.Image+" "+e.Platform.Arch] = strings.Join(steps, " ")
		}
	}
	for _, x := range p.Indexes {
		if x.Action == model.StepRun {
			left[x.Image] = model.StepMerge
		}
	}
	return left, &p
}

// expectPlan compares what is to be done.
func (f *fleet) expectPlan(want map[string]string, args ...string) *model.Plan {
	f.t.Helper()
	got, p := f.plan(args...)
	if diff := cmp.Diff(want, got); diff != "" {
		f.t.Errorf("plan %v (-want +got):\n%s", args, diff)
	}
	return p
}

func entryOf(t *testing.T, p *model.Plan, image string) *model.Entry {
	t.Helper()
	for i := range p.Entries {
		if p.Entries[i].Image == image {
			return &p.Entries[i]
		}
	}
	t.Fatalf("the plan has no %s", image)
	return nil
}

// simple are images that need no emulation.
func simple(images ...string) map[string]string {
	files := map[string]string{}
	for _, folder := range []string{"base", "python", "child", "lone"} {
		files["images/"+folder+"/Dockerfile"] = "FROM scratch\nCOPY image.yaml /\n"
		files["images/"+folder+"/image.yaml"] = "id: " + folder + "\n"
	}
	for _, image := range images {
		files["images/"+image+"/image.yaml"] = "id: " + image + "\ndescription: edited\n"
	}
	return files
}

// What failed at the last tag is planned again although nothing was edited
// since, and what was built then is not.
func TestWhatFailedAtTheLastTagIsPlannedAgain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-failed", nil)
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.Git("tag", "v1")
	nothing := map[string]string{}
	f.expectPlan(nothing)

	// The machine of one job has no engine at v2.
	f.Commit(map[string]string{"images/lone/Dockerfile": "FROM base\nRUN echo two > /lone\n", "images/child/Dockerfile": "FROM python\nRUN cp /out /copy2\n",
		"images/child/image.yaml": "id: child\ntests:\n  - {name: copy, cmd: test -s /copy2}\n"})
	f.Git("tag", "v2")
	if code, _, errs := f.run("child"); code != 0 {
		t.Fatal(errs)
	}
	lame := *f
	lame.env = append(slices.Clone(f.env), "BUILDKIT_HOST=tcp://127.0.0.1:1")
	if code, _, errs := lame.run("lone"); code == 0 {
		t.Fatalf("a build without an engine went well:\n%s", errs)
	}

	// v3 edits nothing that any image reads.
	f.Commit(map[string]string{"NEWS": "nothing\n"})
	f.Git("tag", "v3")
	p := f.expectPlan(map[string]string{"lone amd64": "build test", "lone": "merge"}, "--from", "v2", "--to", "v3")
	e := entryOf(t, p, "lone")
	if !slices.ContainsFunc(e.Reasons, func(r model.Reason) bool {
		return r.Kind == model.ReasonRegistry && strings.Contains(r.Detail, "failed the last time")
	}) {
		t.Errorf("the reasons do not say that it failed: %+v", e.Reasons)
	}
	// Here git alone is mistaken, and says that it was not asked.
	if alone, p := f.plan("--registry-state", "off", "--from", "v2", "--to", "v3"); len(alone) > 0 || p.Registry != "unknown" {
		t.Errorf("git alone: %v %s", alone, p.Registry)
	}
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.expectPlan(nothing, "--from", "v2")
}

// A test that failed is run again, and nothing is built for it. A run that was
// superseded before it began loses nothing.
func TestATestThatFailedIsRunAgainAlone(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-test", nil)
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.Git("tag", "v1")
	f.Commit(map[string]string{"images/lone/image.yaml": "id: lone\narch: amd64\ntests:\n  - {name: lone, cmd: test -s /absent}\n"})
	onlyTest := map[string]string{"lone amd64": "test", "lone": "merge"}
	f.expectPlan(onlyTest)
	if code, _, _ := f.run(); code != 1 {
		t.Fatalf("exit code %d", code)
	}
	f.Git("tag", "v2")
	p := f.expectPlan(onlyTest, "--from", "v2")
	if e := entryOf(t, p, "lone"); !slices.ContainsFunc(e.Reasons, func(r model.Reason) bool { return strings.Contains(r.Detail, "tests have not passed") }) {
		t.Errorf("the reasons do not say so: %+v", e.Reasons)
	}

	// Two pushes come one after the other; the first one's run never begins.
	f.Commit(map[string]string{"images/lone/image.yaml": "id: lone\narch: amd64\ntests:\n  - {name: lone, cmd: test -s /lone}\n", "images/child/Dockerfile": "FROM python\nRUN cp /out /copy && date > /two\n"})
	f.Commit(map[string]string{"images/python/image.yaml": "id: python\npriority: 6\ntests:\n  - {name: app, cmd: grep -q rint /app.py}\n"})
	f.Git("tag", "v3")
	want := map[string]string{"child": "merge", "python": "merge"} // the tests of lone are those of v1 again, and have passed
	for _, arch := range []string{"amd64", "arm64"} {
		want["python "+arch], want["child "+arch] = "test", "build test"
	}
	f.expectPlan(want, "--from", "v2")
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.expectPlan(map[string]string{}, "--from", "v1")
}

// One platform is there and the other is not.
func TestOnePlatformIsMissing(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-platform", simple())
	for _, step := range []string{"build", "test"} {
		if out, code := f.try("rootfsrun", step, "lone", "--platform", "linux/arm64", "--registry", f.prefix); code != 0 {
			t.Fatal(out)
		}
	}
	f.Git("tag", "v1")
	p := f.expectPlan(map[string]string{"lone amd64": "build test", "lone": "merge"}, "lone")
	if _, action := entryOf(t, p, "lone"), p.Entries[1].Action; p.Entries[1].Platform != model.LinuxARM64 || action != model.ActionNone {
		t.Errorf("arm64: %s", action)
	}
	if code, rows, errs := f.run("lone"); code != 0 || rows["lone linux/arm64"].Action != "none" {
		t.Errorf("exit code %d, %+v\n%s", code, rows, errs)
	}
	f.expectPlan(map[string]string{}, "lone")
}

// What is built anew without an edit is the next generation for everybody.
func TestGenerationsAreFound(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-generation", simple())
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.Git("tag", "v1")
	for generation := range 3 {
		p := f.expectPlan(map[string]string{})
		if e := entryOf(t, p, "lone"); e.Generation != generation || !e.Digest.Valid() {
			t.Errorf("generation %d, %s", e.Generation, e.Digest)
		}
		if code, _, errs := f.run("--force", "lone"); code != 0 {
			t.Fatal(errs)
		}
	}
}

// A repository that was filled without state tags, or whose jobs were lost
// before they wrote them, is looked through once, and nothing is built.
func TestARepositoryWithoutStates(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-with", simple())
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.Git("tag", "v1")
	client := registry.New(registry.Options{})
	bare := *f
	bare.prefix = strings.Replace(f.prefix, "state-with", "state-without", 1)
	for _, image := range []string{"base", "python", "child", "lone"} {
		from, to := f.prefix+"/"+image, bare.prefix+"/"+image
		tags, err := client.Tags(t.Context(), from)
		if err != nil {
			t.Fatal(err)
		}
		for _, tag := range tags {
			if strings.HasPrefix(tag, "d-") {
				continue
			}
			d, _, err := client.Resolve(t.Context(), from, tag)
			if err == nil {
				err = client.Copy(t.Context(), from, to, d.Digest)
			}
			if err == nil {
				err = client.MoveTag(t.Context(), to, d.Digest, tag)
			}
			if err != nil {
				t.Fatal(err)
			}
		}
	}
	_, p := bare.plan()
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action != model.ActionReuse || e.Steps[model.StepBuild] != model.StepRun || !strings.Contains(e.Reasons[0].Detail, "not recorded") {
			t.Errorf("%s: %s %v %+v", e.ID(), e.Action, e.Steps, e.Reasons)
		}
	}
	code, rows, errs := bare.run()
	if code != 0 {
		t.Fatal(errs)
	}
	for name, r := range rows {
		if r.Action != "reused" && r.Action != "none" {
			t.Errorf("%s was %s", name, r.Action)
		}
	}
	bare.expectPlan(map[string]string{})
}

// counting passes requests on to a registry, and counts those for tags.
type counting struct {
	proxy  http.Handler
	mu     sync.Mutex
	counts map[string]int // by "METHOD path"
}

func (c *counting) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if r.URL.Path != "/v2/" {
		c.mu.Lock()
		c.counts[r.Method+" "+r.URL.Path]++
		c.mu.Unlock()
	}
	c.proxy.ServeHTTP(w, r)
}

// The requests of a real plan of a real registry's repositories, one of which
// has far more tags than go on a page.
func TestAPlanAsksARealRegistryLittle(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "state-count", simple())
	if code, _, errs := f.run(); code != 0 {
		t.Fatal(errs)
	}
	f.Git("tag", "v1")
	client, repo := registry.New(registry.Options{}), f.prefix+"/lone"
	_, p := f.plan()
	d := entryOf(t, p, "lone").Digest
	raw, desc, err := client.Manifest(t.Context(), repo, d.String())
	if err != nil {
		t.Fatal(err)
	}
	for n := range 2300 { // of other targets, and versions
		tag := fmt.Sprintf("0-2025.%d", n)
		if n%2 == 0 {
			key := model.DigestOf(fmt.Append(nil, n))
			tag = model.StateTag{Key: key, Step: model.StepBuild, Digest: d, StepKey: model.BuildStepKey(key, 0)}.String()
		}
		if _, err := client.PutManifest(t.Context(), repo, raw, desc.MediaType, tag); err != nil {
			t.Fatal(err)
		}
	}
	host, _, _ := strings.Cut(f.prefix, "/")
	counter := &counting{proxy: httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: host}), counts: map[string]int{}}
	server := httptest.NewServer(counter)
	t.Cleanup(server.Close)
	through := *f
	through.prefix = strings.Replace(f.prefix, host, strings.TrimPrefix(server.URL, "http://"), 1)
	through.expectPlan(map[string]string{})
	want := map[string]int{}
	for _, image := range []string{"base", "python", "child", "lone"} {
		want["GET /v2/state-count/"+image+"/tags/list"] = 1
	}
	lone := "GET /v2/state-count/lone/tags/list" // three pages, two targets
	if n := counter.counts[lone]; n == 2 {
		want[lone] = n
	}
	if diff := cmp.Diff(want, counter.counts); diff != "" {
		t.Errorf("requests (-want +got):\n%s", diff)
	}
}
