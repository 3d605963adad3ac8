// Package signed executes a fleet whose receipts count only when they are
// signed: it is built, signed, attested, verified and told of by the programs
// themselves, and somebody plants content that nobody who is trusted has built.
package signed

import (
	"encoding/json"
	"errors"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/keytest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// bench is a repository with two images, a key that signs, and where the fleet
// publishes.
type bench struct {
	*gittest.Repo
	t      testing.TB
	prefix string
	env    []string
	bin    string
}

const settings = "version: 1\nsign: {key: \"env:IMAGE_KEY\"}\n"

func newBench(t testing.TB, further ...map[string]string) *bench {
	t.Helper()
	s, busybox := enginetest.Services(t), enginetest.Busybox(t)
	b := &bench{t: t, Repo: gittest.New(t), prefix: s.Registry + "/" + strings.ToLower(t.Name()), bin: enginetest.Programs(t)}
	private, public := keytest.New(t)
	b.env = []string{
		"PATH=" + enginetest.Bin(t) + ":" + os.Getenv("PATH") + ":/usr/sbin:/sbin", "HOME=" + t.TempDir(), "LANG=C.UTF-8", "BUILDKIT_HOST=" + s.BuildkitAddr, "GIT_CONFIG_NOSYSTEM=1",
		"IMAGE_KEY=" + private,
	}
	files := map[string]string{
		".gitignore":             ".cache/\nbuild-artifacts/\n",
		"rootfsgen.yaml":         settings + "trust:\n  signers: [{key: keys/sign.pub}]\n  builders: [{key: keys/sign.pub}]\n",
		"believing.yaml":         "version: 1\n",
		"scan-policy.yaml":       "apiVersion: rootfsgen/v1\nkind: ScanPolicy\nenforcement: {mode: off}\n",
		"keys/sign.pub":          public,
		"images/base/Dockerfile": "FROM " + busybox + "\nRUN echo base > /base\n",
		"images/base/image.yaml": "arch: [amd64]\n",
		"images/app/Dockerfile":  "FROM base\nRUN echo one > /app\n",
		"images/app/image.yaml":  "arch: [amd64]\ntests: [{name: content, cmd: test \"$(cat /app)\" != planted}]\n",
	}
	for _, more := range further {
		maps.Copy(files, more)
	}
	b.Commit(files)
	return b
}

// run runs a program, which must end with an exit code.
func (b *bench) run(want int, program string, args ...string) (out, errs string) {
	b.t.Helper()
	cmd := exec.CommandContext(b.t.Context(), filepath.Join(b.bin, program), append(args, "--registry", b.prefix)...)
	var stdout, stderr strings.Builder
	cmd.Dir, cmd.Env, cmd.Stdout, cmd.Stderr = b.Dir, b.env, &stdout, &stderr
	err := cmd.Run()
	code := 0
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		code = exit.ExitCode()
	} else if err != nil {
		b.t.Fatal(err)
	}
	if code != want {
		b.t.Fatalf("%s %v: exit code %d, want %d\n%s%s", program, args, code, want, &stdout, &stderr)
	}
	return stdout.String(), stderr.String()
}

// plan is the entry of app.
func (b *bench) plan(more ...string) model.Entry {
	b.t.Helper()
	out, _ := b.run(0, "rootfsgen", append([]string{"plan", "--format", "json"}, more...)...)
	var p model.Plan
	if err := json.Unmarshal([]byte(out), &p); err != nil {
		b.t.Fatalf("%v\n%s", err, out)
	}
	for _, e := range p.Entries {
		if e.Image == "app" {
			return e
		}
	}
	b.t.Fatalf("app is not in the plan\n%s", out)
	return model.Entry{}
}

// TestSigned signs a fleet, attests and verifies it, and lets audit tell of it.
func TestSigned(t *testing.T) {
	b := newBench(t)
	b.run(0, "rootfsrun", "run")
	if _, errs := b.run(5, "rootfsrun", "verify", "app", "--require", "signature"); !strings.Contains(errs, "there is no signed signature") {
		t.Errorf("before it is signed, verify says\n%s", errs)
	}
	out, _ := b.run(0, "rootfsrun", "sign", "--json")
	if strings.Count(out, `"new":true`) != 4 {
		t.Errorf("sign says\n%s", out)
	}
	if out, _ := b.run(0, "rootfsrun", "sign", "--json"); strings.Contains(out, `"new":true`) {
		t.Errorf("sign says again\n%s", out)
	}
	b.run(0, "rootfsrun", "attest")
	out, _ = b.run(0, "rootfsrun", "verify", "app", "--require", "signature,provenance")
	if !strings.Contains(out, "key keys/sign.pub") {
		t.Errorf("verify says\n%s", out)
	}
	_, errs := b.run(5, "rootfsrun", "verify", "app")
	for _, lack := range []string{"no signed SBOM", "no signed vulnerability scan", "no signed decision"} {
		if !strings.Contains(errs, lack) {
			t.Errorf("verify does not name %q\n%s", lack, errs)
		}
	}
	out, errs = b.run(0, "rootfsrun", "audit", "app")
	for _, event := range []string{"from base:", "its tests have passed", "merged as ", "signed by key keys/sign.pub", "attested: https://slsa.dev/provenance/v1"} {
		if !strings.Contains(out, event) {
			t.Errorf("audit does not tell %q\n%s", event, out)
		}
	}
	if !strings.Contains(errs, "linux/amd64: nobody who is trusted has judged it") {
		t.Errorf("audit names as missing\n%s", errs)
	}
	if strings.Contains(out, "unverified") || strings.Contains(errs, "unverified") {
		t.Errorf("what those who are trusted have signed is\n%s%s", out, errs)
	}
	out, errs = b.run(0, "rootfsrun", "audit", "app", "--config", "believing.yaml")
	if strings.Contains(out, "\tverified") || strings.Count(out, "unverified\n") != strings.Count(out, "\n") || !strings.Contains(errs, "trust.builders names nobody") {
		t.Errorf("where nobody is trusted audit says\n%s%s", out, errs)
	}
}

// TestPlantedContent puts bytes under the content tag of a key that nobody has
// built yet, with everything that a build leaves but a signature: whoever
// believes the registry takes them for the build, and whoever asks for signed
// receipts builds the next generation.
func TestPlantedContent(t *testing.T) {
	b := newBench(t)
	b.run(0, "rootfsrun", "run")
	b.Commit(map[string]string{"images/app/Dockerfile": "FROM base\nRUN echo two > /app\n"})
	e := b.plan()
	c := registry.New(registry.Options{})
	repo := b.prefix + "/app"
	tags, err := c.Tags(t.Context(), repo)
	if err != nil {
		t.Fatal(err)
	}
	var before model.Digest
	for _, tag := range tags {
		if _, _, ok := model.ParseContentTag(tag); ok {
			d, _, err := c.Resolve(t.Context(), repo, tag)
			if err != nil {
				t.Fatal(err)
			}
			before = d.Digest
		}
	}
	receipt := model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepBuild, StepKey: model.BuildStepKey(e.Key, 0), Status: model.ReceiptPassed,
		Image: e.Image, Tag: e.Tag, Platform: e.Platform.String(), Key: e.Key, Digest: before,
	}
	if _, err := c.TagOnce(t.Context(), repo, before, model.ContentTag(e.Key, 0)); err != nil {
		t.Fatal(err)
	}
	if err := c.PutReceipt(t.Context(), repo, receipt); err != nil {
		t.Fatal(err)
	}
	state := model.StateTag{Key: e.Key, Step: model.StepBuild, Digest: before, StepKey: receipt.StepKey}
	if err := c.PutState(t.Context(), repo, state, before.String()); err != nil {
		t.Fatal(err)
	}
	if got := b.plan("--config", "believing.yaml"); got.Steps[model.StepBuild] != model.StepDone {
		t.Fatalf("the trap is open: without trust the plan says %v", got.Steps)
	}
	if got := b.plan(); got.Steps[model.StepBuild] != model.StepRun {
		t.Errorf("the plan believes what nobody has signed: %v", got.Steps)
	}
	b.run(0, "rootfsrun", "run")
	d, found, err := c.Resolve(t.Context(), repo, model.ContentTag(e.Key, 1))
	if err != nil || !found || d.Digest == before {
		t.Errorf("the next generation: %v, %v, %v", d, found, err)
	}
	if got := b.plan(); got.Generation != 1 || got.Digest == before {
		t.Errorf("afterwards the plan has %s of generation %d", got.Digest, got.Generation)
	}
}
