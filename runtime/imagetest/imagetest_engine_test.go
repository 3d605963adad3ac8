package imagetest_test

import (
	"archive/tar"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/google/go-containerregistry/pkg/v1/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// fixture is an image in the registry and a plan with it.
type fixture struct {
	step   imagetest.Step
	plan   *model.Plan
	suites []imagetest.Suite
	out    bytes.Buffer
}

// layer is one more layer with the given files; a name that ends in "/" is a
// folder, content that begins with "->" a link.
func layer(t *testing.T, files map[string]string) v1.Layer {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for name, content := range files {
		h := &tar.Header{Typeflag: tar.TypeReg, Name: name, Mode: 0o755, Size: int64(len(content))}
		if target, link := strings.CutPrefix(content, "->"); link {
			h.Typeflag, h.Linkname, h.Size, content = tar.TypeSymlink, target, 0, ""
		}
		if err := errors.Join(w.WriteHeader(h), func() error { _, err := io.WriteString(w, content); return err }()); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	l, err := tarball.LayerFromOpener(func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(b.Bytes())), nil }, tarball.WithMediaType(types.OCILayer))
	if err != nil {
		t.Fatal(err)
	}
	return l
}

// newFixture pushes img as the content of a target that has the given tests.
func newFixture(t *testing.T, img v1.Image, tests ...model.Test) *fixture {
	t.Helper()
	s := enginetest.Services(t)
	reg := registry.New(registry.Options{})
	name := strings.ToLower(strings.NewReplacer("/", "-", "_", "-", ",", "").Replace(t.Name()))
	e := model.Entry{
		Image: "it", Tag: "1", Platform: model.LinuxAMD64, Action: model.ActionBuild, Repository: name, Recipe: &model.Recipe{},
		Key: model.DigestOf([]byte(t.Name())), TestsKey: model.DigestOf(fmt.Append(nil, tests)), Tests: tests,
	}
	f := &fixture{plan: &model.Plan{Scope: "testing", Prefix: s.Registry + "/testing", Entries: []model.Entry{e}}}
	f.step = imagetest.Step{
		Registry: reg, Output: &f.out, Results: func(s imagetest.Suite) { f.suites = append(f.suites, s) },
		BuildKit: func(ctx context.Context) (*buildkit.Client, error) {
			c, err := buildkit.Dial(ctx, s.BuildkitAddr)
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
			}
			return c, err
		},
	}
	f.push(t, img, 0)
	return f
}

func (f *fixture) entry() *model.Entry { return &f.plan.Entries[0] }
func (f *fixture) repo() string        { return f.plan.Prefix + "/" + f.entry().Repository }

func (f *fixture) push(t *testing.T, img v1.Image, generation int) model.Digest {
	t.Helper()
	d, err := f.step.Registry.PushImage(t.Context(), f.repo(), img)
	if err == nil {
		_, err = f.step.Registry.TagOnce(t.Context(), f.repo(), d, model.ContentTag(f.entry().Key, generation))
	}
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func (f *fixture) run(ctx context.Context) (model.Receipt, error) {
	return f.step.Run(ctx, f.plan, f.entry())
}

func image(t *testing.T, base v1.Image, c v1.Config, files map[string]string) v1.Image {
	t.Helper()
	img, err := mutate.Append(base, mutate.Addendum{Layer: layer(t, files), MediaType: types.OCILayer})
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigFile()
	if err != nil {
		t.Fatal(err)
	}
	config = config.DeepCopy()
	config.OS, config.Architecture, config.Config = "linux", "amd64", c
	if img, err = mutate.ConfigFile(mutate.MediaType(img, types.OCIManifestSchema1), config); err != nil {
		t.Fatal(err)
	}
	return mutate.ConfigMediaType(img, types.OCIConfigJSON)
}

// busybox is the test base with another configuration and more files.
func busybox(t *testing.T, c v1.Config, files map[string]string) v1.Image {
	t.Helper()
	return image(t, enginetest.BusyboxImage(t, model.LinuxAMD64), c, files)
}

func test(name, cmd string) model.Test { return model.Test{Name: name, Cmd: cmd} }

func TestRunsAsTheImageSays(t *testing.T) {
	img := busybox(t, v1.Config{User: "app", WorkingDir: "/home/app", Env: []string{"PATH=/opt/bin:/bin", "GREETING=hello  there"}},
		map[string]string{"opt/bin/greet": "#!/bin/sh\necho \"$GREETING\"\n"})
	f := newFixture(t, img,
		test("user", `test "$(id -u):$(id -g)" = 1000:1000`),
		test("home", `test "$HOME" = /home/app`),
		test("workdir", `test "$PWD" = /home/app`),
		test("environment", `test "$(greet)" = "hello  there"`),
		test("no network", `test "$(ls /sys/class/net)" = lo`),
		test("writes", "touch /tmp/left"),
		test("a fresh container", "test ! -e /tmp/left"),
	)
	r, err := f.run(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	got, found, err := f.step.Registry.Receipt(t.Context(), f.repo(), model.ReceiptTag("test", model.TestStepKey(r.Digest, f.entry().TestsKey)))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
	if n := strings.Count(f.out.String(), "it:1 linux/amd64 | ok "); n != 7 {
		t.Errorf("%d lines say that a test passed:\n%s", n, f.out.String())
	}
	again, err := f.run(t.Context())
	if _, skipped := step.Skipped(err); !skipped {
		t.Errorf("tests that have passed are run again: %v", err)
	}
	if diff := cmp.Diff(r, again); diff != "" {
		t.Error(diff)
	}
}

func TestFailures(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{Env: []string{"PATH=/bin"}}, nil),
		test("passes", "echo fine"),
		test("fails", "echo the reason; echo and more >&2; exit 3"),
		test("misses a program", "no-such-program --version"),
		test("exits with one", "exit 1"),
		model.Test{Name: "hangs", Cmd: "echo begun; sleep 1000", TimeoutSeconds: 1},
		test("prints a lot", "yes 0123456789 | head -c 300000; printf '\\033[2J\\001'; exit 4"),
	)
	_, err := f.run(t.Context())
	failed, ok := errors.AsType[*imagetest.Failed](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	var got []string
	for _, r := range failed.Results {
		got = append(got, r.Test.Name+": "+r.Problem)
		if len(r.Output) > 70<<10 {
			t.Errorf("%s kept %d bytes", r.Test.Name, len(r.Output))
		}
	}
	want := []string{
		"fails: exit code 3", "misses a program: exit code 127: the shell did not find a program",
		"exits with one: exit code 1", "hangs: it did not end within 1s", "prints a lot: exit code 4",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	// The two streams are separate pipes: their order is anybody's guess.
	for _, want := range []string{"5 of 6 tests failed", "  | the reason\n", "  | and more\n", "$ no-such-program"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("the error lacks %q:\n%v", want, err)
		}
	}
	if strings.ContainsAny(err.Error()+f.out.String(), "\x1b\x01") {
		t.Error("control characters of the image reach the terminal")
	}
	tags, err := f.step.Registry.Tags(t.Context(), f.repo())
	if err != nil || len(tags) != 1 {
		t.Errorf("a failed run left more than the content's tag: %v, %v", tags, err)
	}
}

func TestWithoutAShell(t *testing.T) {
	program, err := os.ReadFile(enginetest.BusyboxProgram(t, model.LinuxAMD64))
	if err != nil {
		t.Fatal(err)
	}
	f := newFixture(t, image(t, empty.Image, v1.Config{Env: []string{"PATH=/tools"}}, map[string]string{"tools/true": string(program), "tools/false": string(program)}),
		test("by name", "true ignored argument"), test("by path", "/tools/true"), test("fails", "/tools/false"),
		test("is not there", "/tools/none"), test("is nowhere", "none"))
	_, err = f.run(t.Context())
	failed, ok := errors.AsType[*imagetest.Failed](err)
	if !ok {
		t.Fatalf("got %v", err)
	}
	got := map[string]string{}
	for _, r := range failed.Results {
		got[r.Test.Name], _, _ = strings.Cut(r.Problem, ":")
	}
	want := map[string]string{"fails": "exit code 1", "is not there": "the program could not be started", "is nowhere": "the program could not be started"}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestBashComesBeforeSh(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{Env: []string{"PATH=/usr/bin:/bin"}},
		map[string]string{"usr/bin/bash": "#!/bin/sh\necho bash was called with \"$1\"; exit 9\n"}), test("which shell", "true"))
	_, err := f.run(t.Context())
	if err == nil || !strings.Contains(err.Error(), "bash was called with -lc") {
		t.Errorf("got %v", err)
	}
}

func TestNewestGenerationIsTested(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{}, map[string]string{"g": "0"}), test("generation", "test $(cat /g) = 1"))
	d := f.push(t, busybox(t, v1.Config{}, map[string]string{"g": "1"}), 1)
	r, err := f.run(t.Context())
	if err != nil || r.Digest != d || r.Generation != 1 {
		t.Errorf("got %s of generation %d, %v", r.Digest, r.Generation, err)
	}
}

func TestWithoutTestsOrContent(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{}, nil))
	f.step.BuildKit = nil // it is not needed
	if r, err := f.run(t.Context()); err != nil || r.Status != model.ReceiptPassed {
		t.Errorf("an image without tests: %+v, %v", r, err)
	}
	f.entry().Key = model.DigestOf([]byte("never built"))
	if _, err := f.run(t.Context()); err == nil || !strings.Contains(err.Error(), "hint: build it first: rootfsrun build it:1") {
		t.Errorf("got %v", err)
	}
}

func TestIsStopped(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{}, nil), test("first", "true"), test("hangs", "sleep 1000"))
	ctx, cancel := context.WithCancelCause(t.Context())
	tired := errors.New("tired")
	f.step.Output = writer(func() { cancel(tired) }) // when the first has ended
	if _, err := f.run(ctx); !errors.Is(err, tired) {
		t.Errorf("got %v", err)
	}
}

type writer func()

func (w writer) Write(b []byte) (int, error) { w(); return len(b), nil }

// TestWhatTheMachineLacksIsUntested runs tests that need a device only where
// the machine has it, and writes no receipt elsewhere.
func TestWhatTheMachineLacksIsUntested(t *testing.T) {
	f := newFixture(t, busybox(t, v1.Config{}, nil), test("card", "true"))
	f.entry().Device = "gpu"
	for range 2 {
		_, err := f.run(t.Context())
		if u, untested := step.IsUntested(err); !untested || u.Device != "gpu" || len(f.suites) > 0 {
			t.Fatalf("%v, ran %d", err, len(f.suites))
		}
	}
	f.step.Devices = []string{"gpu"}
	if r, err := f.run(t.Context()); err != nil || r.Status != model.ReceiptPassed || len(f.suites) != 1 {
		t.Fatal(r, err)
	}
	f.step.Devices = nil
	if _, err := f.run(t.Context()); err == nil || !strings.Contains(err.Error(), "have passed") {
		t.Errorf("what passed elsewhere counts: %v", err)
	}
}
