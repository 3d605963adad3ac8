package ci

import (
	"fmt"
	"maps"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// judged is a fleet with one image that has a package with a known hole, one
// that is built from it and mends that, and one that has none. It is scanned by
// the real syft and grype, with a database of one made-up entry.
func judged(t *testing.T) map[string]string {
	t.Helper()
	files := map[string]string{}
	for path := range filesBelow(t, "testdata/fleet") {
		files[path] = ""
	}
	files["rootfsgen.yaml"] = filesBelow(t, "testdata/fleet")["rootfsgen.yaml"] + "repositories: [\"\"]\n"
	files["scan-policy.yaml"] = "apiVersion: rootfsgen/v1\nkind: ScanPolicy\n"
	for image, of := range map[string]struct{ from, version string }{"bad": {"scratch", "3.0.1-1"}, "child": {"bad", "3.0.15-1"}, "good": {"scratch", "3.0.15-1"}} {
		for path, text := range enginetest.Debian12(map[string]string{"openssl": of.version}) {
			files["images/"+image+"/rootfs/"+path] = text
		}
		files["images/"+image+"/rootfs/name"] = image + "\n"
		files["images/"+image+"/Dockerfile"] = "FROM " + of.from + "\nCOPY rootfs/ /\n"
		files["images/"+image+"/image.yaml"] = "component_version: \"1\"\narch: [amd64]\n"
	}
	return files
}

// exception allows the hole for some days.
func exception() map[string]string {
	now := time.Now().UTC()
	return map[string]string{"scan-policy.yaml": fmt.Sprintf(`apiVersion: rootfsgen/v1
kind: ScanPolicy
exceptions:
  list:
    - id: CVE-2026-0001
      purl: pkg:deb/debian/openssl
      images: [bad]
      reason: Nothing here listens.
      owner: "@a"
      approvedBy: "@b"
      created: %s
      expires: %s
`, now.AddDate(0, 0, -1).Format(time.DateOnly), now.AddDate(0, 0, 5).Format(time.DateOnly))}
}

// TestWhatIsRefusedIsNotPublished lives through a refusal on both forges: what
// the policy refuses, and what is built from it, is built and not merged, the
// rest is, and nothing of it comes to prod; with an exception all of it passes.
func TestWhatIsRefusedIsNotPublished(t *testing.T) {
	t.Parallel()
	for name, on := range map[string]func(*fleet) forge{"github": onGitHub, "gitlab": onGitLab} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			db, _ := enginetest.ScanDB(t, time.Time{}, enginetest.Vulnerability{
				ID: "CVE-2026-0001", Distro: "debian:12", Ecosystem: "deb", Package: "openssl", Constraint: "< 3.0.10", Fixed: "3.0.10", Severity: "critical",
			})
			f := newFleet(t, "judged-"+name, judged(t))
			f.env = append(f.env, "ROOTFSRUN_SCAN_DB="+db)
			f.refusal(on(f))
		})
	}
}

func (f *fleet) refusal(on forge) {
	t := f.t
	got := on.push()
	if got.jobs["merge bad"] != "failure" || got.jobs["merge child"] == "success" || got.jobs["build bad linux/amd64"] != "success" {
		t.Fatalf("the first push: %v\n%s", got.jobs, got.tail())
	}
	for _, image := range []string{"bad", "child"} {
		if p := f.read("testing/" + image); len(p.versions) > 0 {
			t.Errorf("%s was published: %v", image, p.versions)
		}
	}
	if _, is := on.(gitLab); is { // act ends a run with the first job of a called workflow that fails
		if got.jobs["merge good"] != "success" || got.jobs["manifest"] != "success" || got.jobs["build child linux/amd64"] != "success" {
			t.Errorf("a refusal stops others: %v\n%s", got.jobs, got.tail())
		}
		f.listed("manifest.testing.json", "good")
	}

	f.Git("tag", "v1.0.0")
	f.Git("push", "-q", "origin", "v1.0.0")
	got = on.release("v1.0.0")
	if _, is := on.(gitLab); is { // which lets a parent succeed whatever its child does
		f.listed("manifest.json", "good")
	} else if got.jobs["promote"] == "success" {
		t.Errorf("a release was promoted past a refusal: %v", got.jobs)
	}

	f.push("main", exception())
	got = on.push()
	for _, job := range []string{"merge bad", "merge child", "merge good", "manifest"} {
		if got.jobs[job] != "success" {
			t.Errorf("with an exception, %s: %s\n%s", job, got.jobs[job], got.tail())
		}
	}
	f.listed("manifest.testing.json", "bad", "child", "good")

	f.Git("tag", "v1.1.0")
	f.Git("push", "-q", "origin", "v1.1.0")
	if got = on.release("v1.1.0"); got.jobs["promote"] != "success" {
		t.Fatalf("the release: %v\n%s", got.jobs, got.tail())
	}
	f.listed("manifest.json", "bad", "child", "good")
}

// listed wants exactly these images in a channel.
func (f *fleet) listed(name string, images ...string) {
	f.t.Helper()
	c, _ := f.channel(name)
	if d := cmp.Diff(images, slices.Sorted(maps.Keys(c.digests()))); d != "" {
		f.t.Errorf("%s (-want +got):\n%s", name, d)
	}
}
