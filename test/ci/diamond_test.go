package ci

import (
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// diamondImages are the repositories of testdata/diamond.
var diamondImages = []string{"app", "base", "lang", "lib", "side"}

// diamondEvent is one event in the life of a diamond, and what the registry
// has after it.
type diamondEvent struct {
	name string
	// contents are the content tags of each repository of each scope, which are
	// made of keys, and what they stand for.
	contents map[string]map[string]model.Digest
	listed   map[string]map[string]model.Digest // manifest.testing.json: name:version -> platforms
}

// TestDiamond lets both forges live through every kind of event of a fleet with
// several tags and variants of one image, edges across, an image for one
// platform and one whose tests need a device. What ran is what the plan says,
// and what the plan says is what a person would; in the end both forges have
// made the same bytes.
func TestDiamond(t *testing.T) { //nolint:tparallel // it compares what its subtests have left, and so waits for them
	t.Parallel()
	lives := map[string]func(*fleet) diamondForge{
		"github": func(f *fleet) diamondForge { h := eventsOnGitHub(f).(hubEvents); return hubDiamond{h} },
		"gitlab": func(f *fleet) diamondForge { l := eventsOnGitLab(f).(labEvents); return labDiamond{l} },
	}
	var mu sync.Mutex
	lived := map[string][]diamondEvent{}
	t.Run("forge", func(t *testing.T) { // which ends when both have
		for name, on := range lives {
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				f := newFleet(t, "diamond-"+name, diamond(t))
				all := diamondLife(f, on(f))
				mu.Lock()
				defer mu.Unlock()
				lived[name] = all
			})
		}
	})
	github, gitlab := lived["github"], lived["gitlab"]
	if len(github) != len(gitlab) || len(github) == 0 {
		t.Fatalf("%d events on GitHub, %d on GitLab", len(github), len(gitlab))
	}
	for i := range github {
		if d := cmp.Diff(github[i].contents, gitlab[i].contents); d != "" {
			t.Errorf("after %s the registries differ (-github +gitlab):\n%s", github[i].name, d)
		}
		if d := cmp.Diff(github[i].listed, gitlab[i].listed); d != "" {
			t.Errorf("after %s manifest.testing.json differs (-github +gitlab):\n%s", github[i].name, d)
		}
	}
}

// diamond is the fleet of testdata/diamond, and nothing of testdata/fleet.
func diamond(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path := range filesBelow(t, "testdata/fleet") {
		files[path] = ""
	}
	maps.Copy(files, filesBelow(t, "testdata/diamond"))
	maps.Copy(files, ownJobs(t))
	return files
}

// diamondForge is a forge with all events, and the places where it keeps what
// its planning job made.
type diamondForge interface {
	events
	request(number int, base string) results
	release(tag string) results
	planned() string
	fork(main, head string) (got results, reports string)
	// fixed are the jobs of an event that are no image's.
	fixed(event string) []string
}

type hubDiamond struct{ hubEvents }

func (h hubDiamond) planned() string { return filepath.Join(h.artifacts, "rootfsgen-plan/plan.json") }

func (h hubDiamond) fixed(event string) []string {
	return append(diamondFixed(event), "plan", "result")
}

type labDiamond struct{ labEvents }

func (l labDiamond) planned() string {
	return filepath.Join(l.Dir, ".gitlab-ci-local/artifacts/rootfsgen-plan/rootfsgen-ci/plan.json")
}

func (l labDiamond) fixed(event string) []string {
	return append(diamondFixed(event), "plan", "images", "child's plan", "reports")
}

// diamondFixed are the jobs that both forges have.
func diamondFixed(event string) []string {
	switch event {
	case "request":
		return []string{"comment"}
	case "queue":
		return nil
	case "tag":
		return []string{"manifest", "promote"}
	case "push":
		return []string{"manifest", "own ready", "own built"}
	}
	return []string{"manifest"}
}

// diamondLife is the events, in turn. The nodes that each names are those that
// a person expects, from nothing but the Dockerfiles.
func diamondLife(f *fleet, on diamondForge) []diamondEvent {
	var life []diamondEvent
	happens := func(event, name string, got results, nodes ...string) {
		f.t.Helper()
		f.ranAsPlanned(on, event, name, got, nodes)
		life = append(life, f.diamondState(name))
	}
	all := []string{"app", "base", "lang-3.12", "lang-3.13", "lang-3.13-slim", "lib-1-shared", "lib-1-static", "side"}

	own := f.watchOwn()
	happens("push", "the first push", on.push(), all...)
	f.ownInTurn(own)
	f.diamondSummary(on)
	if l, is := on.(labDiamond); is {
		l.repeated("side", "app", "lib-1-static")
	}
	f.push("main", map[string]string{"images/lib/1/lib": "a better library\n"})
	f.ownRefuses(on, own)
	happens("push", "a push that edits lib", on.push(), "app", "lib-1-shared", "lib-1-static")
	testing := life[len(life)-1].listed

	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	f.push("feature", map[string]string{"images/lang/3.12/runtime": "the runtime 3.12, mended\n"})
	happens("request", "a request that edits a tag across", on.request(7, main), "app", "lang-3.12")
	f.requestAcross(on)
	f.Git("checkout", "-q", "-f", "main")

	f.Git("checkout", "-q", "-b", "queued")
	f.push("queued", map[string]string{"images/lang/3.13/slim": "even less of it\n"})
	happens("queue", "a queue that edits a variant", on.queue(8), "app", "lang-3.13-slim")
	f.Git("checkout", "-q", "-f", "main")

	f.diamondFork(on)

	f.Git("tag", "v1.0.0")
	f.Git("push", "-q", "origin", "v1.0.0")
	happens("tag", "a release", on.release("v1.0.0"))
	if d := cmp.Diff(testing, life[len(life)-1].listed); d != "" {
		f.t.Errorf("a request, a queue or a release changed testing (-before +after):\n%s", d)
	}
	if prod, found := f.channel("manifest.json"); !found || len(prod.Images) != len(all) {
		f.t.Errorf("the release promoted %v", prod.digests())
	}

	happens("manual", "a variant by hand", on.manual("lib:1:static", "", "true"), "app", "lib-1-static")
	happens("bases", "time for the bases", on.bases(), all...)
	f.diamondLock(on)
	happens("push", "a push that merges the lock, after all that", on.push())
	if h, is := on.(hubDiamond); is {
		h.elsewhere()
	}
	return life
}

// diamondFork is a request from a fork: one job builds all of the fleet, whatever
// the request edits, and nothing comes of it but its reports.
func (f *fleet) diamondFork(on diamondForge) {
	f.t.Helper()
	before := f.diamondState("before")
	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "forked")
	head := f.push("forked", map[string]string{"images/lib/1/lib": "a library of somebody else\n"})
	got, reports := on.fork(main, head)
	f.Git("checkout", "-q", "-f", "main")
	want := map[string]string{"fork": "success"}
	if _, is := on.(hubDiamond); is {
		want["result"] = "success"
	}
	if d := cmp.Diff(want, diamondRan(got)); d != "" {
		f.t.Fatalf("a request from a fork: jobs (-want +got):\n%s\n%s", d, got.tail())
	}
	for _, image := range []string{"app", "base", "lang-3.12", "lang-3.13", "lang-3.13-slim", "lib-1-shared", "lib-1-static"} {
		if found := f.filesNamed(reports, image+".json"); len(found) != 1 {
			f.t.Errorf("the fork's job left no report of %s", image)
		}
	}
	if d := cmp.Diff(before, f.diamondState("before"), cmp.AllowUnexported(diamondEvent{})); d != "" {
		f.t.Errorf("a request from a fork changed the registry (-before +after):\n%s", d)
	}
}

// diamondLock is the schedule that looks the lock up anew, finds that a base has
// moved and offers that; a person merges it.
func (f *fleet) diamondLock(on diamondForge) {
	f.t.Helper()
	right := f.staleLock()
	f.expect("time for the lock", on.lock(), succeeded("lock"))
	if offered := f.offered(); offered != right {
		f.t.Errorf("the request offers:\n%s", cmp.Diff(right, offered))
	}
	if all := on.requests(); len(all) != 1 || all[0].Branch != "rootfsgen/lock" {
		f.t.Errorf("requests: %+v", all)
	}
	f.push("main", map[string]string{"images.lock": right})
}

// elsewhere starts a run by hand on another branch than the default one, which
// does nothing and must say why.
func (h hubDiamond) elsewhere() {
	h.t.Helper()
	got := h.act(workflow{event: "workflow_dispatch", file: "rootfsgen-manual.yml", payload: map[string]any{
		"ref": "refs/heads/queued", "inputs": map[string]any{"images": "", "platforms": "", "force": "false"},
	}})
	if d := cmp.Diff(map[string]string{"result": "failure"}, diamondRan(got)); d != "" {
		h.t.Errorf("by hand on another branch: jobs (-want +got):\n%s", d)
	}
	if said := strings.Join(got.log, "\n"); !strings.Contains(said, "A run by hand is of the branch main and of no other") {
		h.t.Errorf("it does not say why:\n%s", said)
	}
}

// ranAsPlanned compares the jobs that ran with the plan of their own pipeline,
// and the plan with the nodes that are expected in it.
func (f *fleet) ranAsPlanned(on diamondForge, event, name string, got results, nodes []string) {
	f.t.Helper()
	text, err := os.ReadFile(on.planned())
	if err != nil {
		f.t.Fatalf("%s: %v\n%v\n%s", name, err, got.jobs, got.tail())
	}
	p, err := plan.Decode(text)
	if err != nil {
		f.t.Fatalf("%s: %v\n%v\n%s", name, err, got.jobs, got.tail())
	}
	jobs, touched := f.diamondJobs(p)
	if d := cmp.Diff(slices.Sorted(slices.Values(nodes)), touched); d != "" && len(nodes)+len(touched) > 0 {
		f.t.Errorf("%s: images in the plan (-want +got):\n%s", name, d)
	}
	want := map[string]string{}
	for _, job := range append(jobs, on.fixed(event)...) {
		want[job] = "success"
	}
	if d := cmp.Diff(want, diamondRan(got)); d != "" {
		f.t.Fatalf("%s: jobs (-planned +ran):\n%s\n%s", name, d, got.tail())
	}
}

// diamondJobs are what a plan means for a forge, and the nodes that have a job
// that builds, by themselves.
func (f *fleet) diamondJobs(p *model.Plan) (jobs, nodes []string) {
	names := model.NodeNames(p.Nodes())
	for i := range p.Entries {
		e := &p.Entries[i]
		build, test := e.Steps[model.StepBuild] == model.StepRun, e.Steps[model.StepTest] == model.StepRun
		if !build && !test {
			continue
		}
		name := names[e.ID().AllPlatforms()]
		jobs, nodes = append(jobs, "build "+name+" "+e.Platform.String()), append(nodes, name)
		if test && name == "side" {
			jobs = append(jobs, "test "+name+" "+e.Platform.String())
		}
	}
	for _, x := range p.Indexes {
		if x.Action == model.StepRun {
			jobs = append(jobs, "merge "+names[x.ID()])
		}
	}
	slices.Sort(nodes)
	return jobs, slices.Compact(nodes)
}

// testLeg is act's name of the job that tests elsewhere: it stands in the
// workflow that builds an image. ownLeg is that of people's own.
var (
	testLeg = regexp.MustCompile(`^build (\S+) test (linux/\w+)$`)
	ownLeg  = regexp.MustCompile(`^(ready|built)(?:/.*)?$`)
)

// diamondRan are the jobs that ran, whatever came of them.
func diamondRan(got results) map[string]string {
	ran := map[string]string{}
	for job, result := range got.jobs {
		if result != "skipped" {
			ran[ownLeg.ReplaceAllString(testLeg.ReplaceAllString(job, "test $1 $2"), "own $1")] = result
		}
	}
	return ran
}

// diamondState reads what the registry and the testing channel have.
func (f *fleet) diamondState(name string) diamondEvent {
	f.t.Helper()
	e := diamondEvent{name: name, contents: map[string]map[string]model.Digest{}, listed: map[string]map[string]model.Digest{}}
	for _, scope := range []string{"pr", "testing"} {
		for _, image := range diamondImages {
			if tags := f.contents(scope + "/" + image); len(tags) > 0 {
				e.contents[scope+"/"+image] = tags
			}
		}
	}
	for _, i := range must(f.channel("manifest.testing.json")).Images {
		e.listed[strings.TrimPrefix(i.Image, f.prefix)] = i.Platforms
	}
	return e
}

// diamondSummary looks at what the first push showed to people: the plan, by
// the planning job, and what each image weighs, by its merge.
func (f *fleet) diamondSummary(on diamondForge) {
	f.t.Helper()
	folder := filepath.Join(filepath.Dir(on.planned()), "summary")
	built := filepath.Join(f.Dir, ".gitlab-ci-local/artifacts")
	if _, is := on.(hubDiamond); is {
		folder, built = filepath.Join(f.artifacts, "rootfsgen-summary"), f.artifacts
	}
	for file, words := range map[string][]string{
		"summary.md": {"lang:3.13:slim", "lib:1:static", "side", "15 targets"},
		"comment.md": {"lang:3.13:slim"},
	} {
		text, err := os.ReadFile(filepath.Join(folder, file))
		for _, word := range words {
			if err != nil || !strings.Contains(string(text), word) {
				f.t.Errorf("%s has no word of %s (%v):\n%s", file, word, err, text)
			}
		}
	}
	for _, name := range []string{"app", "lang-3.13-slim"} {
		found := f.filesNamed(built, "built-"+name+".md")
		if len(found) != 1 {
			f.t.Errorf("what %s weighs is in %v", name, found)
		}
	}
}

// repeated looks at the parent pipeline, which shows the results of its child's
// tests as its own, and the mistakes in people's files, of which there are none.
func (l labDiamond) repeated(images ...string) {
	l.t.Helper()
	for _, image := range images {
		file := filepath.Join(l.Dir, ".gitlab-ci-local/artifacts/rootfsgen-reports/build-artifacts/junit-"+image+"-amd64.xml")
		if text, err := os.ReadFile(file); err != nil || !strings.Contains(string(text), `failures="0"`) {
			l.t.Errorf("results of %s: %s, %v", image, text, err)
		}
	}
	quality := filepath.Join(filepath.Dir(l.planned()), "code-quality.json")
	if text, err := os.ReadFile(quality); err != nil || strings.TrimSpace(string(text)) != "[]" {
		l.t.Errorf("code quality: %s, %v", text, err)
	}
}

// filesNamed are the files of a name below a folder.
func (f *fleet) filesNamed(dir, name string) []string {
	f.t.Helper()
	var found []string
	for path := range filesBelow(f.t, dir) {
		if filepath.Base(path) == name {
			found = append(found, path)
		}
	}
	return found
}
