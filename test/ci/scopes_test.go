package ci

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// onlyBase leaves one image of testdata/fleet.
func onlyBase(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path := range filesBelow(t, "testdata/fleet") {
		if strings.HasPrefix(path, "images/") && !strings.HasPrefix(path, "images/base/") {
			files[path] = ""
		}
	}
	return files
}

// job runs one of our programs as a pipeline does, and returns its standard
// output.
func (f *fleet) job(name string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.run(f.Dir, append(slices.Clone(f.env), "CI=true"), name, args...)
	if err != nil {
		f.t.Fatalf("%s %s: %v\n%s", name, strings.Join(args, " "), err, errs)
	}
	return out
}

// contents are the content tags of a repository and what they stand for.
func (f *fleet) contents(repo string) map[string]model.Digest {
	f.t.Helper()
	c, name := registry.New(registry.Options{}), f.prefix+"/"+repo
	all := map[string]model.Digest{}
	for _, tag := range f.read(repo).contents {
		d, found, err := c.Resolve(f.t.Context(), name, tag)
		if err != nil || !found {
			f.t.Fatalf("resolving %s:%s: %v, %v", name, tag, found, err)
		}
		all[tag] = d.Digest
	}
	return all
}

// TestRequestCannotReachMain lets a request build what main is about to become,
// and then put other bytes under the same keys, wherever it may write. Main
// must build for itself.
func TestRequestCannotReachMain(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "scopes", onlyBase(t))
	f.job("rootfsrun", "run")
	before := f.contents("testing/base")

	main := f.Git("rev-parse", "HEAD")
	f.Git("checkout", "-q", "-b", "feature")
	f.push("feature", map[string]string{"images/base/greeting": "hello from a request\n"})
	f.job("rootfsrun", "run", "--scope", "pr", "--snapshot-id", "pr-7", "--from", main)
	if d := cmp.Diff(before, f.contents("testing/base")); d != "" {
		t.Fatalf("a request wrote into testing (-before +after):\n%s", d)
	}
	theirs := f.contents("pr/base")
	if len(theirs) != 2 {
		t.Fatalf("the request built %v", theirs)
	}
	c := registry.New(registry.Options{})
	other, err := c.PushImage(t.Context(), f.prefix+"/pr/base", enginetest.BusyboxImage(t, model.LinuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	for tag := range theirs {
		if err := c.MoveTag(t.Context(), f.prefix+"/pr/base", other, tag); err != nil {
			t.Fatal(err)
		}
	}

	f.Git("checkout", "-q", "main")
	f.Git("merge", "-q", "--ff-only", "feature")
	f.push("main", nil)
	p, err := plan.Decode([]byte(f.job("rootfsgen", "plan", "--format", "json")))
	if err != nil {
		t.Fatal(err)
	}
	if p.ReadPrefix != "" {
		t.Errorf("main reads %s, too", p.ReadPrefix)
	}
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action != model.ActionBuild || theirs[model.ContentTag(e.Key, e.Generation)] == "" {
			t.Errorf("%s: %s, with a key that the request had: %v", e.ID(), e.Action, theirs[model.ContentTag(e.Key, e.Generation)] != "")
		}
	}
	f.job("rootfsrun", "run")
	after := f.contents("testing/base")
	for tag, digest := range theirs {
		if after[tag] == "" || after[tag] == other {
			t.Errorf("main has %s at %s, the request put %s there", after[tag], tag, other)
		}
		if after[tag] != digest {
			t.Errorf("main built %s, the honest request %s: the build is not reproducible", after[tag], digest)
		}
	}
	listed, found := f.channel("manifest.testing.json")
	if !found || len(listed.Images) != 1 || slices.Contains(slices.Collect(maps.Values(listed.Images[0].Platforms)), other) {
		t.Errorf("manifest.testing.json: %+v", listed)
	}
}
