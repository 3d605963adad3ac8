package ci

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

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

// TestManyImages executes a fleet of three hundred images in waves, with
// everything reused: once when the plan knows that nothing is to be done, and
// once when a job of each wave must find out for itself.
func TestManyImages(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) forge{
		"github": func(f *fleet) forge { return gitHubWaves{gitHub{f}} }, "gitlab": onGitLab,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			f := newFleet(t, "many-"+name, largeFleet(t))
			forge := on(f)
			f.program("rootfsrun", "run", "--to", "HEAD", "--scope", "testing", "--registry", f.prefix+"/testing", "-q")
			contents := f.manyContents()

			idle := map[string]string{"plan": "success", "manifest": "success"}
			if name == "github" {
				idle["result"], idle["build"], idle["merge"] = "success", "skipped", "skipped"
			} else {
				idle["images"], idle["child's plan"], idle["reports"] = "success", "success", "success"
			}
			got := forge.push()
			if diff := cmp.Diff(idle, got.jobs); diff != "" {
				t.Fatalf("with nothing to do: jobs (-want +got):\n%s\n%s", diff, got.tail())
			}

			f.forget()
			busy := map[string]string{"plan": "success", "manifest": "success"}
			if name == "github" {
				busy["result"] = "success"
			} else {
				busy["images"], busy["child's plan"], busy["reports"] = "success", "success", "success"
			}
			for i := range manyImages {
				if !forgotten(i) {
					continue
				}
				busy["build "+imageName(i)+" linux/amd64"] = "success"
				busy["merge "+imageName(i)] = "success"
			}
			got = forge.push()
			if diff := cmp.Diff(busy, got.jobs); diff != "" {
				t.Fatalf("with much to be found again: jobs (-want +got):\n%s\n%s", diff, got.tail())
			}
			if diff := cmp.Diff(contents, f.manyContents()); diff != "" {
				t.Errorf("what was built is not what there was before (-before +after):\n%s", diff)
			}
		})
	}
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
