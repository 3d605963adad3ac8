package ci

import (
	"archive/tar"
	"io"
	"strings"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/remote"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// requestThatBuilds is a request of one image, in three runs: it edits the image,
// which is built in the scope of requests; it takes that back; and it is run once
// more. Below it is one comment, which each run keeps up to date.
func (f *fleet) requestThatBuilds(on events) {
	f.t.Helper()
	main, before := f.Git("rev-parse", "HEAD"), f.testing(map[string]string{"base": everyImage["base"]})
	greeting := f.Git("show", "HEAD:images/base/greeting") + "\n"
	f.Git("checkout", "-q", "-b", "proposed")

	f.push("proposed", map[string]string{"images/base/greeting": "hello from a request\n"})
	f.expect("a request that builds", on.request(7, main), on.ran("request", "plan", bothLegs, "comment"))
	f.requested("base", "7")
	id, builds := f.commented(on, 7)
	for _, word := range []string{"base", "linux/amd64", "linux/arm64", "images/base/greeting"} {
		if !strings.Contains(builds, word) {
			f.t.Errorf("the comment has no word of %s:\n%s", word, builds)
		}
	}

	f.push("proposed", map[string]string{"images/base/greeting": greeting})
	f.expect("the request takes it back", on.request(7, main), on.ran("request", "plan", "comment"))
	again, nothing := f.commented(on, 7)
	if again != id || nothing == builds || strings.Contains(nothing, "images/base/greeting") {
		f.t.Errorf("comment %d became %d:\n%s", id, again, cmp.Diff(builds, nothing))
	}

	told := len(on.changes())
	f.expect("the request, once more", on.request(7, main), on.ran("request", "plan", "comment"))
	if same, text := f.commented(on, 7); same != id || text != nothing || len(on.changes()) != told {
		f.t.Errorf("a run that changes nothing: comment %d, changes %v\n%s", same, on.changes()[told:], cmp.Diff(nothing, text))
	}
	f.Git("checkout", "-q", "-f", "main")
	if d := cmp.Diff(before, f.testing(map[string]string{"base": everyImage["base"]})); d != "" {
		f.t.Errorf("a request changed what testing has (-before +after):\n%s", d)
	}
}

// commented is the one comment of a request.
func (f *fleet) commented(on events, request int64) (id int64, text string) {
	f.t.Helper()
	all := on.comments()
	if len(all) != 1 || all[0].Request != request || !strings.HasPrefix(all[0].Body, "<!-- rootfsgen:plan -->\n") {
		f.t.Fatalf("comments: %+v", all)
	}
	return all[0].ID, all[0].Body
}

// requestAcross looks at the diamond's request, which edits lang:3.12: app, which
// the request did not edit, has what the request made of lang, and that of testing
// has not; and the comment names both.
func (f *fleet) requestAcross(on events) {
	f.t.Helper()
	const path = "opt/app/old-runtime"
	snapshot := f.read("pr/app")
	var found bool
	for tag, index := range snapshot.versions {
		if strings.HasSuffix(tag, "r-7") {
			found = true
			if text := f.fileIn("pr/app", snapshot.platforms[index]["linux/amd64"], path); text != "the runtime 3.12, mended\n" {
				f.t.Errorf("the request's app has %s with %q", path, text)
			}
		}
	}
	if !found {
		f.t.Errorf("the request left of app %v", snapshot.versions)
	}
	for _, i := range must(f.channel("manifest.testing.json")).Images {
		if i.ID != "app" {
			continue
		}
		if text := f.fileIn("testing/app", i.Platforms["linux/amd64"], path); text != "the runtime 3.12\n" {
			f.t.Errorf("testing's app has %s with %q", path, text)
		}
	}
	if _, text := f.commented(on, 7); !strings.Contains(text, "app") || !strings.Contains(text, "lang:3.12") {
		f.t.Errorf("the comment:\n%s", text)
	}
}

// fileIn is the text of one file of an image.
func (f *fleet) fileIn(repo string, digest model.Digest, path string) string {
	f.t.Helper()
	ref, err := name.NewDigest(f.prefix + "/" + repo + "@" + digest.String())
	if err != nil {
		f.t.Fatal(err)
	}
	image, err := remote.Image(ref, remote.WithContext(f.t.Context()))
	if err != nil {
		f.t.Fatal(err)
	}
	r := mutate.Extract(image)
	defer func() { _ = r.Close() }() // nothing more of it is needed
	for files := tar.NewReader(r); ; {
		h, err := files.Next()
		if err != nil {
			f.t.Fatalf("%s has no %s: %v", ref, path, err)
		}
		if strings.TrimPrefix(h.Name, "/") == path {
			text, err := io.ReadAll(files)
			if err != nil {
				f.t.Fatal(err)
			}
			return string(text)
		}
	}
}

// releaseOfOne promotes the one image, and builds nothing.
func (f *fleet) releaseOfOne(on events, testing map[string]model.Digest) {
	f.t.Helper()
	f.Git("tag", "v1.0.0")
	f.Git("push", "-q", "origin", "v1.0.0")
	f.expect("a release", on.release("v1.0.0"), on.ran("tag", "plan", "manifest", "promote"))
	prod, found := f.channel("manifest.json")
	if d := cmp.Diff(testing, prod.digests()); !found || d != "" {
		f.t.Errorf("manifest.json (-testing +prod):\n%s", d)
	}
	for _, i := range prod.Images {
		if p := f.read("prod/" + i.ID); p.versions[i.Version] != i.Digest {
			f.t.Errorf("prod/%s has %v, manifest.json %s", i.ID, p.versions, i.Digest)
		}
	}
}
