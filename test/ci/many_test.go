package ci

import (
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// manyImages is how many images TestManyImages has: more than a matrix of
// either forge takes.
const manyImages = 300

// parentOf is what an image of the large fleet is built from, empty for none:
// a few bases, platforms on them, and the others on platforms.
func parentOf(i int) string {
	switch {
	case i%100 == 0:
		return ""
	case i%20 == 0:
		return imageName(i / 100 * 100)
	}
	return imageName(i / 20 * 20)
}

// imageName does not end in a number: act puts one behind the names of legs.
func imageName(i int) string { return fmt.Sprintf("i%03dx", i) }

// largeFleet is the files of many small images, for one platform.
func largeFleet(t *testing.T) map[string]string {
	t.Helper()
	files := inWaves(t)
	for path := range filesBelow(t, "testdata/fleet") {
		if strings.HasPrefix(path, "images/") {
			files[path] = ""
		}
	}
	for i := range manyImages {
		dir := "images/" + imageName(i)
		from := "scratch"
		if p := parentOf(i); p != "" {
			from = p
		}
		files[dir+"/Dockerfile"] = "FROM " + from + "\nCOPY " + imageName(i) + " /\n"
		files[dir+"/"+imageName(i)] = "one of many\n"
		files[dir+"/image.yaml"] = "id: " + imageName(i) + "\nlabel: One of many\ncomponent_version: \"1\"\npriority: 1\ndescription: One of many.\narch: [amd64]\n"
	}
	return files
}

// forgotten tells whether the second pipeline must find an image again: every
// base and platform, and as many of the others.
func forgotten(i int) bool { return i%20 < 2 }

// manyForge is a forge with all events for the large fleet.
type manyForge interface {
	events
	fork(main, head string) (got results, reports string)
	// many is the whole result of a pipeline in which these jobs ran.
	many(event string, jobs ...string) map[string]string
}

type hubMany struct{ hubEvents }

func (h hubMany) push() results { return plain(h.hubEvents.push()) }
func (h hubMany) request(number int, base string) results {
	return plain(h.hubEvents.request(number, base))
}
func (h hubMany) release(tag string) results { return plain(h.hubEvents.release(tag)) }

// many on GitHub: a batch of which nothing ran was skipped. Its name has no image
// then, so all of them have the same one.
func (h hubMany) many(event string, jobs ...string) map[string]string {
	m := succeeded(append(jobs, "result")...)
	if len(jobs) < manyImages/10 {
		m["build"], m["merge"] = "skipped", "skipped"
	}
	if event == "request" {
		m["fork"] = "skipped"
	}
	return m
}

type labMany struct{ labEvents }

func (l labMany) many(event string, jobs ...string) map[string]string { return l.ran(event, jobs...) }

// TestManyImages executes a fleet of three hundred images in waves, with
// everything reused: once when the plan knows that nothing is to be done, once
// when a job of each wave must find out for itself, and once for each other kind
// of event.
func TestManyImages(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) manyForge{
		"github": func(f *fleet) manyForge { return hubMany{eventsOnGitHub(f).(hubEvents)} },
		"gitlab": func(f *fleet) manyForge { return labMany{eventsOnGitLab(f).(labEvents)} },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "many-"+name, largeFleet(t))
			forge := on(f)
			f.program("rootfsrun", "run", "--to", "HEAD", "--scope", "testing", "--registry", f.prefix+"/testing", "-q")
			contents := f.manyContents()
			f.expect("with nothing to do", forge.push(), forge.many("push", "plan", "manifest"))

			f.forget()
			busy := []string{"plan", "manifest"}
			for i := range manyImages {
				if forgotten(i) {
					busy = append(busy, "build "+imageName(i)+" linux/amd64", "merge "+imageName(i))
				}
			}
			f.expect("with much to be found again", forge.push(), forge.many("push", busy...))
			f.manyRelease(forge)
			f.manySchedules(forge)
			f.manyRequests(forge)
			if diff := cmp.Diff(contents, f.manyContents()); diff != "" {
				t.Errorf("what was built is not what there was before (-before +after):\n%s", diff)
			}
		})
	}
}

// manyRelease promotes all images, of which no job builds one.
func (f *fleet) manyRelease(on manyForge) {
	f.t.Helper()
	f.Git("tag", "v1.0.0")
	f.Git("push", "-q", "origin", "v1.0.0")
	f.expect("a release", on.release("v1.0.0"), on.many("tag", "plan", "manifest", "promote"))
	testing, prod := must(f.channel("manifest.testing.json")).digests(), must(f.channel("manifest.json")).digests()
	if d := cmp.Diff(testing, prod); d != "" || len(prod) != manyImages {
		f.t.Errorf("manifest.json has %d images (-testing +prod):\n%s", len(prod), d)
	}
}

// manySchedules is what is due without a push. The fleet stands on nothing from
// outside, so that its lock has nothing to offer.
func (f *fleet) manySchedules(on manyForge) {
	f.t.Helper()
	f.expect("time for the lock", on.lock(), succeeded("lock"))
	if all := on.requests(); len(all) > 0 {
		f.t.Errorf("the lock offers %+v", all)
	}
	if l, is := on.(labMany); is {
		l.planBases()
	}
}

// planBases plans what is due for the bases. Each image then has a job, more than
// a test has time for, so that the planning job is executed alone, which act
// cannot do: there it is one of a called workflow.
func (l labMany) planBases() {
	l.t.Helper()
	l.expect("time for the bases", l.basesOnly("rootfsgen-plan"), succeeded("plan"))
	text, err := os.ReadFile(filepath.Join(l.Dir, ".gitlab-ci-local/artifacts/rootfsgen-plan/rootfsgen-ci/plan.json"))
	if err != nil {
		l.t.Fatal(err)
	}
	p, err := plan.Decode(text)
	if err != nil {
		l.t.Fatal(err)
	}
	var anew []string
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action == model.ActionBuild && len(e.Parents) == 0 {
			anew = append(anew, e.ID().Image)
		}
	}
	if d := cmp.Diff([]string{imageName(0), imageName(100), imageName(200)}, anew); d != "" {
		l.t.Errorf("bases that are built anew (-want +got):\n%s", d)
	}
}

// manyRequests edits one image of all: a request builds that alone, on what
// testing has of the others. One from a fork is given nothing of that, and builds
// what it stands on, too; where it edits a base it would have a third of the fleet
// to build, which is more than it may.
func (f *fleet) manyRequests(on manyForge) {
	f.t.Helper()
	main, edited := f.Git("rev-parse", "HEAD"), imageName(33)
	f.Git("checkout", "-q", "-b", "feature")
	head := f.push("feature", map[string]string{"images/" + edited + "/" + edited: "one that is edited\n"})
	f.expect("a request", on.request(7, main), on.many("request", "plan", "build "+edited+" linux/amd64", "merge "+edited, "comment"))
	if p := f.read("pr/" + edited); len(p.contents) != 1 || len(p.versions) == 0 {
		f.t.Errorf("the request left %+v", p)
	}
	if parent := imageName(20); len(f.read("pr/"+parent).contents) > 0 {
		f.t.Errorf("the request built %s, too", parent)
	}

	if _, built := f.manyForked(on, main, head); !slices.Equal(built, []string{imageName(0), imageName(20), edited}) {
		f.t.Errorf("a request from a fork built %v", built)
	}
	base := imageName(0)
	head = f.push("feature", map[string]string{"images/" + base + "/" + base: "a base that is edited\n"})
	got, built := f.manyForked(on, main, head)
	said := fmt.Sprintf("nothing was built: the plan has %d targets, and this run may build %d", manyImages/3, model.DefaultMaxForkTargets)
	if len(built) > 0 || !strings.Contains(strings.Join(got.log, "\n"), said) {
		f.t.Errorf("a request from a fork that edits a base built %v:\n%s", built, got.tail())
	}
	f.Git("checkout", "-q", "-f", "main")
}

// manyForked executes a request from a fork, and returns the images that it left
// reports of.
func (f *fleet) manyForked(on manyForge, main, head string) (got results, built []string) {
	f.t.Helper()
	got, reports := on.fork(main, head)
	want := map[string]string{"fork": "success"}
	if _, is := on.(hubMany); is {
		want["result"], want["fleet"], want["comment"] = "success", "skipped", "skipped"
	}
	f.expect("a request from a fork", got, want)
	for i := range manyImages {
		if _, err := os.Stat(filepath.Join(reports, imageName(i)+".json")); err == nil {
			built = append(built, imageName(i))
		}
	}
	return got, built
}

// manyContents are the content tags of all images of the large fleet.
func (f *fleet) manyContents() map[string][]string {
	f.t.Helper()
	all := map[string][]string{}
	for i := range manyImages {
		all[imageName(i)] = f.read("testing/" + imageName(i)).contents
	}
	return all
}

// forget removes from the registry what says which steps of some images are
// done, and leaves what they made.
func (f *fleet) forget() {
	f.t.Helper()
	c := registry.New(registry.Options{})
	for i := range manyImages {
		if !forgotten(i) {
			continue
		}
		repo := f.prefix + "/testing/" + imageName(i)
		tags, err := c.Tags(f.t.Context(), repo)
		if err != nil {
			f.t.Fatal(err)
		}
		host, path, _ := strings.Cut(repo, "/")
		for _, tag := range tags {
			if !strings.HasPrefix(tag, "d-") && !strings.HasPrefix(tag, "i-") {
				continue
			}
			req, err := http.NewRequestWithContext(f.t.Context(), http.MethodDelete, "http://"+host+"/v2/"+path+"/manifests/"+tag, nil)
			if err != nil {
				f.t.Fatal(err)
			}
			resp, err := http.DefaultClient.Do(req)
			if err != nil {
				f.t.Fatal(err)
			}
			_ = resp.Body.Close()
			if resp.StatusCode != http.StatusAccepted {
				f.t.Fatalf("removing %s:%s: %s", repo, tag, resp.Status)
			}
		}
	}
}
