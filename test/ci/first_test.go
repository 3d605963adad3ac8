package ci

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestFirstRun begins with three Dockerfiles and a released program: what "init"
// and "generate" write is committed with no edit, and runs on machines that have
// none of the programs. Without a registry both forges publish nothing, and say
// so; with one every image is built, judged by the default policy, and listed, or
// refused.
func TestFirstRun(t *testing.T) {
	t.Parallel()
	programs := stamped(t)
	m := newMirror(t, programs)
	f := newRepository(t, "first")
	authorities := filepath.Join(f.scratch, "authorities.pem")
	if err := os.WriteFile(authorities, []byte(m.authorities()), 0o600); err != nil {
		t.Fatal(err)
	}
	small := hole("CVE-2026-0002", "low")
	small.Constraint, small.Fixed = "< 3.0.16", "3.0.16"
	db, _ := enginetest.ScanDB(t, time.Time{}, hole("CVE-2026-0001", "critical"), small, enginetest.OfNVD)
	f.env = append(f.env, "SSL_CERT_FILE="+authorities, "CURL_CA_BUNDLE="+authorities, "ROOTFSRUN_SCAN_DB="+db)
	f.lacks("rootfsgen", "rootfsrun")
	f.Write(threeDockerfiles(enginetest.Busybox(t)))
	if said := f.person(programs, "init", "--programs-url", m.release()); strings.Contains(said, "warning") || strings.Contains(said, "  rootfsgen lock") {
		t.Errorf("init leaves something to be done:\n%s", said)
	}
	if said := f.person(programs, "generate"); strings.Contains(said, "no-programs") || !strings.Contains(said, "no-registry") {
		t.Errorf("generate warns of\n%s", said)
	}
	f.push("main", nil)
	f.inert(m)

	settings := f.Git("show", "HEAD:rootfsgen.yaml") + "\nregistry:\n"
	for _, scope := range []string{"pr", "testing", "prod"} {
		settings += "  " + scope + ": " + f.prefix + "/" + scope + "\n"
	}
	f.Write(map[string]string{"rootfsgen.yaml": settings})
	if said := f.person(programs, "generate"); strings.Contains(said, "warning") {
		t.Errorf("generate warns of\n%s", said)
	}
	f.push("main", nil)
	want := succeeded("plan", "manifest", "result")
	for _, image := range []string{"app", "base", "tool"} {
		maps.Copy(want, succeeded("build "+image+" linux/amd64", "build "+image+" linux/arm64", "merge "+image))
	}
	f.expect("a push with a registry", gitHub{f}.push(), want)
	first := f.testing(threeImages)
	f.judgedBy("CVE-2026-0002", "base", "tool")

	m.fetched.Store(0)
	files := map[string]string{"images/app/app": "a better app\n"}
	for path, text := range enginetest.Debian12(map[string]string{"openssl": "3.0.1-1"}) {
		files["images/tool/rootfs/"+path] = text
	}
	f.push("main", files)
	refused := gitLab{f}.expected("plan", "manifest", "build app linux/amd64", "build app linux/arm64", "merge app", "build tool linux/amd64", "build tool linux/arm64")
	refused["merge tool"] = "failure"
	f.expect("a push of a hole", gitLab{f}.push(), refused)
	if m.fetched.Load() == 0 {
		t.Error("no program was fetched")
	}
	if d := cmp.Diff([]string{"app"}, changed(first, f.testing(threeImages))); d != "" {
		t.Errorf("images whose digest changed (-want +got):\n%s", d)
	}
}

// judgedBy wants the merges of images on GitHub to have kept what scanners found,
// and the verdict on that.
func (f *fleet) judgedBy(finding string, images ...string) {
	f.t.Helper()
	for _, image := range images {
		kept := filesBelow(f.t, filepath.Join(f.artifacts, "rootfsgen-index-"+image))
		found := slices.ContainsFunc(slices.Collect(maps.Values(kept)), func(text string) bool { return strings.Contains(text, finding) })
		if !found || kept[gate.SARIFFile] == "" {
			f.t.Errorf("nobody has judged %s in %s: %v", finding, image, slices.Sorted(maps.Keys(kept)))
		}
	}
}

// inert pushes to both forges while there is no registry.
func (f *fleet) inert(m *mirror) {
	f.t.Helper()
	lab := onGitLab(f)
	for _, c := range []struct {
		forge string
		on    forge
		want  map[string]string
	}{
		{"GitHub", gitHub{f}, succeeded("plan, manifest, result, -build app, -build base, -build tool, -merge app, -merge base, -merge tool")},
		{"GitLab", lab, lab.expected("plan", "manifest")},
	} {
		m.fetched.Store(0)
		got := c.on.push()
		f.expect(c.forge, got, c.want)
		if !strings.Contains(strings.Join(got.log, "\n"), pipeline.Unpublished) {
			f.t.Errorf("%s does not say that nothing is published:\n%s", c.forge, got.tail())
		}
		if m.fetched.Load() == 0 {
			f.t.Errorf("%s fetched no program", c.forge)
		}
	}
	if refs := f.Git("ls-remote", "origin", "refs/*"); strings.Count(refs, "\n") > 1 || !strings.Contains(refs, "refs/heads/main") {
		f.t.Errorf("something was written beside main:\n%s", refs)
	}
}

// threeImages are those of threeDockerfiles, and their platforms.
var threeImages = map[string]string{"app": bothPlatforms, "base": bothPlatforms, "tool": bothPlatforms}

const bothPlatforms = "linux/amd64 linux/arm64"

// threeDockerfiles are two images on one from outside, and one on one of them.
func threeDockerfiles(outside string) map[string]string {
	files := map[string]string{
		"images/base/Dockerfile": "FROM " + outside + "\nCOPY rootfs/ /\n",
		"images/tool/Dockerfile": "FROM " + outside + "\nCOPY rootfs/ /\n",
		"images/app/Dockerfile":  "FROM base\nCOPY app /\n",
		"images/app/app":         "an app\n",
	}
	for _, image := range []string{"base", "tool"} {
		for path, text := range enginetest.Debian12(map[string]string{"openssl": "3.0.15-1"}) {
			files["images/"+image+"/rootfs/"+path] = text
		}
	}
	return files
}

// stamped is a folder with both programs as a release has them: they know which
// one they are of.
func stamped(t *testing.T) string {
	t.Helper()
	dir := t.TempDir()
	cmd := exec.CommandContext(t.Context(), "go", "build", "-trimpath",
		"-ldflags", "-s -w -X github.com/rootfsgen/rootfsgen/cmd/internal/app.released=v9.8.7", "-o", dir+"/", "./cmd/rootfsgen", "./cmd/rootfsrun")
	cmd.Dir, cmd.Env = enginetest.Root(t), append(os.Environ(), "CGO_ENABLED=0")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("compiling the release: %v\n%s", err, out)
	}
	return dir
}

// person runs a released rootfsgen on a desk, and returns what it says.
func (f *fleet) person(programs string, args ...string) string {
	f.t.Helper()
	out, errs, err := f.run(f.Dir, f.env, filepath.Join(programs, "rootfsgen"), args...)
	if err != nil {
		f.t.Fatalf("rootfsgen %s: %v\n%s%s", strings.Join(args, " "), err, out, errs)
	}
	return errs
}
