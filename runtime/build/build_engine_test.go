package build_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/build"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// objects are files by their id, as git would have them.
type objects map[string]string

func (o objects) Size(_ context.Context, oid string) (int64, error) { return int64(len(o[oid])), nil }
func (o objects) Open(_ context.Context, oid string) (io.ReadCloser, error) {
	return io.NopCloser(strings.NewReader(o[oid])), nil
}

func (o objects) put(path, content string) *model.TreeEntry {
	oid := model.DigestOf([]byte(content)).Hex()
	o[oid] = content
	return &model.TreeEntry{Path: path, Mode: model.ModeFile, OID: oid}
}

// fleet is a base, and a child that is built from it, for both platforms.
type fleet struct {
	step    build.Step
	objects objects
	plan    *model.Plan
	built   int // how often BuildKit was asked for
}

func newFleet(t *testing.T) *fleet {
	t.Helper()
	s := enginetest.Services(t)
	busybox := enginetest.Busybox(t)
	colon := strings.LastIndexByte(busybox, ':')
	reg := registry.New(registry.Options{})
	d, _, err := reg.Resolve(t.Context(), busybox[:colon], busybox[colon+1:])
	if err != nil {
		t.Fatal(err)
	}
	f := &fleet{objects: objects{}}
	f.step = build.Step{
		Registry: reg, Objects: f.objects, Cache: t.TempDir(), Artifacts: filepath.Join(t.TempDir(), "build-artifacts"),
		BuildKit: func(ctx context.Context) (*buildkit.Client, error) {
			f.built++
			c, err := buildkit.Dial(ctx, s.BuildkitAddr)
			if err == nil {
				t.Cleanup(func() { _ = c.Close() })
			}
			return c, err
		},
	}
	f.plan = &model.Plan{Version: 1, Scope: "testing", Prefix: s.Registry + "/" + strings.ToLower(t.Name())}
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		base := f.entry("base", p, "FROM busybox:1.35\nRUN echo base > /base\n")
		base.Recipe.Contexts = []model.NamedContext{{Ref: "busybox:1.35", Source: busybox[:colon] + "@" + d.Digest.String()}}
		child := f.entry("child", p, "FROM base\nCOPY f /f\nRUN cat /base /f > /both\n")
		child.Recipe.Files = []model.TreeEntry{*f.objects.put("f", "child\n")}
		child.Parents = []model.Parent{{Image: "base", Tag: "1", Key: base.Key, Repository: "base"}}
		child.Recipe.Contexts = []model.NamedContext{{Ref: "base", Parent: "base:1"}}
		f.plan.Entries = append(f.plan.Entries, base, child)
	}
	return f
}

func (f *fleet) entry(id string, p model.Platform, dockerfile string) model.Entry {
	return model.Entry{
		Image: id, Tag: "1", Platform: p, Action: model.ActionBuild, Repository: id, Key: model.DigestOf([]byte(id + p.String())),
		Recipe: &model.Recipe{Builder: model.BuilderDockerfile, Dockerfile: f.objects.put("images/"+id+"/Dockerfile", dockerfile)},
	}
}

func (f *fleet) get(id string, p model.Platform) *model.Entry {
	for i := range f.plan.Entries {
		if e := &f.plan.Entries[i]; e.Image == id && e.Platform == p {
			return e
		}
	}
	return nil
}

// run runs the step and tells whether something was built.
func (f *fleet) run(t *testing.T, id string, p model.Platform) (model.Receipt, bool) {
	t.Helper()
	r, err := f.step.Run(t.Context(), f.plan, f.get(id, p))
	_, skipped := step.Skipped(err)
	if err != nil && !skipped {
		t.Fatal(err)
	}
	return r, !skipped
}

func (f *fleet) repo(id string) string { return f.plan.Prefix + "/" + id }

// tags are the content tags of an image, with short keys.
func (f *fleet) tags(t *testing.T, id string) []string {
	t.Helper()
	tags, err := f.step.Registry.Tags(t.Context(), f.repo(id))
	if err != nil {
		t.Fatal(err)
	}
	names := map[model.Digest]string{f.get(id, model.LinuxAMD64).Key: "amd64", f.get(id, model.LinuxARM64).Key: "arm64"}
	var out []string
	for _, tag := range tags {
		if key, g, ok := model.ParseContentTag(tag); ok {
			out = append(out, names[key]+strings.TrimPrefix(model.ContentTag(key, g), "k-"+key.Hex()))
		}
	}
	return out
}

func sorted(tags []string) map[string]bool {
	out := map[string]bool{}
	for _, t := range tags {
		out[t] = true
	}
	return out
}

func TestBuildThenReuse(t *testing.T) {
	f := newFleet(t)
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		base, built := f.run(t, "base", p)
		if !built {
			t.Error("nothing was built")
		}
		child, _ := f.run(t, "child", p)
		want := []model.Material{{Name: "base:1", Digest: base.Digest}}
		if diff := cmp.Diff(want, child.Inputs); diff != "" {
			t.Error(diff)
		}
		got, err := os.ReadFile(filepath.Join(f.step.Artifacts, "child-"+p.Arch+".json"))
		if err != nil {
			t.Fatal(err)
		}
		var file struct {
			ImageID, Ref, Tag, Digest, Arch string
			Size                            int
		}
		if err := json.Unmarshal([]byte(strings.ReplaceAll(string(got), "image_id", "ImageID")), &file); err != nil {
			t.Fatal(err)
		}
		if file.Digest != child.Digest.String() || file.Arch != p.Arch || file.Size < 1000 || file.Ref != f.repo("child")+":"+file.Tag {
			t.Errorf("the artifact says %+v", file)
		}
	}
	before := f.built
	r, built := f.run(t, "child", model.LinuxARM64)
	if built || f.built != before {
		t.Error("the second run has built")
	}
	if !r.StepKey.Valid() || r.Inputs == nil {
		t.Errorf("the second run returns %+v", r)
	}
	if diff := cmp.Diff(map[string]bool{"amd64": true, "arm64": true}, sorted(f.tags(t, "child"))); diff != "" {
		t.Error(diff)
	}
}

func TestLostReceiptIsWrittenAgainWithoutABuild(t *testing.T) {
	f := newFleet(t)
	f.run(t, "base", model.LinuxAMD64)
	e := f.get("child", model.LinuxAMD64)
	r, _ := f.run(t, "child", model.LinuxAMD64)
	repo := f.repo("child")
	// The same content under a key of its own: there is no receipt for it.
	e.Key = model.DigestOf([]byte("crashed between tag and receipt"))
	if _, err := f.step.Registry.TagOnce(t.Context(), repo, r.Digest, model.ContentTag(e.Key, 0)); err != nil {
		t.Fatal(err)
	}
	before := f.built
	got, built := f.run(t, "child", model.LinuxAMD64)
	if built || f.built != before || got.Digest != r.Digest {
		t.Errorf("built: %v, %s", built, got.Digest)
	}
	again, found, err := f.step.Registry.Receipt(t.Context(), repo, model.ReceiptTag("build", model.BuildStepKey(e.Key, 0)))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	if diff := cmp.Diff(r.Inputs, again.Inputs); diff != "" {
		t.Error(diff)
	}
}

// force asks for a target anew, with a Dockerfile that gives other bytes, as a
// package index that has moved on would.
func (f *fleet) force(id string, p model.Platform, generation int, dockerfile string) {
	e := f.get(id, p)
	e.Generation, e.Reasons = generation, []model.Reason{{Kind: model.ReasonForced}}
	e.Recipe.Dockerfile = f.objects.put(e.Recipe.Dockerfile.Path, dockerfile)
}

func TestNextGenerationWhenAParentIsAnother(t *testing.T) {
	f := newFleet(t)
	both := []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	for _, p := range both {
		f.run(t, "base", p)
		f.run(t, "child", p)
	}
	// The parent is built anew: on amd64 it gets other bytes, on arm64 the same.
	f.force("base", model.LinuxAMD64, 1, "FROM busybox:1.35\nRUN echo moved on > /base\n")
	f.force("base", model.LinuxARM64, 1, "FROM busybox:1.35\nRUN echo base > /base\n")
	for _, p := range both {
		if r, built := f.run(t, "base", p); !built || r.Generation != 1 {
			t.Fatalf("%s: built %v, generation %d", p, built, r.Generation)
		}
		if _, built := f.run(t, "base", p); built {
			t.Errorf("%s: what was asked for once is built again", p)
		}
	}
	arm, built := f.run(t, "child", model.LinuxARM64)
	if built || arm.Generation != 1 {
		t.Errorf("arm64, whose parent has the same bytes: built %v, generation %d", built, arm.Generation)
	}
	amd, built := f.run(t, "child", model.LinuxAMD64)
	if !built || amd.Generation != 1 {
		t.Errorf("amd64, whose parent has others: built %v, generation %d", built, amd.Generation)
	}
	want := map[string]bool{"amd64": true, "amd64-g1": true, "arm64": true, "arm64-g1": true}
	if diff := cmp.Diff(want, sorted(f.tags(t, "child"))); diff != "" {
		t.Error(diff)
	}
}

// An outside base that is not locked moves: nothing in the plan tells, and the
// platform whose job has ended already must come along.
func TestPlatformsMoveTogether(t *testing.T) {
	f := newFleet(t)
	var log strings.Builder
	f.step.Log = slog.New(slog.NewTextHandler(&log, nil))
	reg, repo := f.step.Registry, f.plan.Prefix+"/outside"
	push := func(content string) {
		base := f.entry("outside", model.LinuxAMD64, "FROM busybox:1.35\nRUN echo "+content+" > /outside\n")
		base.Key, base.Repository = model.DigestOf([]byte("outside"+content)), "outside"
		base.Recipe.Contexts = f.get("base", model.LinuxAMD64).Recipe.Contexts
		r, err := f.step.Run(t.Context(), f.plan, &base)
		if err == nil {
			err = reg.MoveTag(t.Context(), repo, r.Digest, "latest")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	push("one")
	amd, arm := f.get("child", model.LinuxAMD64), f.get("child", model.LinuxARM64)
	amd.Parents = nil
	amd.Recipe.Dockerfile = f.objects.put("images/child/Dockerfile", "FROM "+repo+":latest\nCOPY f /f\n")
	amd.Recipe.Contexts = []model.NamedContext{{Ref: strings.TrimSuffix(repo, ":latest")}}
	f.run(t, "base", model.LinuxARM64)
	f.run(t, "child", model.LinuxAMD64)
	f.run(t, "child", model.LinuxARM64)
	if !strings.Contains(log.String(), "is not in images.lock") {
		t.Errorf("no warning: %s", log.String())
	}
	push("two")
	if r, built := f.run(t, "child", model.LinuxARM64); built || r.Generation != 0 {
		t.Errorf("arm64 ran first: built %v, generation %d", built, r.Generation)
	}
	if r, built := f.run(t, "child", model.LinuxAMD64); !built || r.Generation != 1 {
		t.Errorf("amd64: built %v, generation %d", built, r.Generation)
	}
	for _, e := range []*model.Entry{amd, arm} {
		r, found, err := reg.Receipt(t.Context(), f.repo("child"), model.ReceiptTag("build", model.BuildStepKey(e.Key, 1)))
		if err != nil || !found || r.Generation != 1 {
			t.Errorf("%s is not of generation 1: %+v, %v, %v", e.Platform, r, found, err)
		}
	}
	if r, built := f.run(t, "child", model.LinuxARM64); built || r.Generation != 1 {
		t.Errorf("arm64 again: built %v, generation %d", built, r.Generation)
	}
}

func TestTwoBuildersOfOneKey(t *testing.T) {
	f := newFleet(t)
	e := f.get("base", model.LinuxAMD64)
	var digests [2]model.Digest
	var g errgroup.Group
	for i := range digests {
		s := f.step
		s.BuildKit = func(ctx context.Context) (*buildkit.Client, error) {
			return buildkit.Dial(ctx, enginetest.Services(t).BuildkitAddr)
		}
		mine := *e
		recipe := *e.Recipe
		recipe.Dockerfile = f.objects.put("images/base/Dockerfile", "FROM busybox:1.35\nRUN echo "+string(rune('a'+i))+" > /who\n")
		mine.Recipe = &recipe
		g.Go(func() error {
			r, err := s.Run(context.WithoutCancel(t.Context()), f.plan, &mine)
			if _, skipped := step.Skipped(err); skipped {
				err = nil
			}
			digests[i] = r.Digest
			return err
		})
	}
	if err := g.Wait(); err != nil {
		t.Fatal(err)
	}
	d, _, err := f.step.Registry.Resolve(t.Context(), f.repo("base"), model.ContentTag(e.Key, 0))
	if err != nil {
		t.Fatal(err)
	}
	// Whoever read the tag last has the digest that counts; the next run
	// settles what the receipt says.
	if digests[0] != d.Digest && digests[1] != d.Digest {
		t.Errorf("nobody has %s: %v", d.Digest, digests)
	}
	if r, _ := f.run(t, "base", model.LinuxAMD64); r.Digest != d.Digest && r.Generation == 0 {
		t.Errorf("the receipt says %s, the tag %s", r.Digest, d.Digest)
	}
}

func TestRequestReadsAnotherScope(t *testing.T) {
	f := newFleet(t)
	base, _ := f.run(t, "base", model.LinuxAMD64)
	testing := f.plan.Prefix
	f.plan.ReadPrefix, f.plan.Prefix, f.plan.Scope = testing, testing+"-pr", "pr"
	child, built := f.run(t, "child", model.LinuxAMD64)
	if !built || child.Inputs[0].Digest != base.Digest {
		t.Errorf("the child: built %v, inputs %v", built, child.Inputs)
	}
	before := f.built
	copied, built := f.run(t, "base", model.LinuxAMD64)
	if built || f.built != before || copied.Digest != base.Digest {
		t.Errorf("the base: built %v, %s", built, copied.Digest)
	}
	d, found, err := f.step.Registry.Resolve(t.Context(), f.repo("base"), model.ContentTag(f.get("base", model.LinuxAMD64).Key, 0))
	if err != nil || !found || d.Digest != base.Digest {
		t.Errorf("the request's own scope has %s, %v, %v", d.Digest, found, err)
	}
}

func TestErrors(t *testing.T) {
	f := newFleet(t)
	ctx := t.Context()
	_, err := f.step.Run(ctx, f.plan, f.get("child", model.LinuxARM64))
	if _, ok := errors.AsType[*build.MissingParent](err); !ok || !strings.Contains(err.Error(), "parent base:1 linux/arm64 is not in the registry") {
		t.Errorf("a missing parent: %v", err)
	}
	e := f.get("base", model.LinuxAMD64)
	e.Recipe.Dockerfile = f.objects.put("images/base/Dockerfile", "FROM busybox:1.35\nRUN sleep 1000\n")
	e.Recipe.TimeoutSeconds = 1
	if _, err = f.step.Run(ctx, f.plan, e); err == nil || !strings.Contains(err.Error(), "not finished within 1s") {
		t.Errorf("a build that takes too long: %v", err)
	}
	if tags := f.tags(t, "base"); len(tags) != 0 {
		t.Errorf("a failed build left %v", tags)
	}
	f.plan.Prefix = ""
	if _, err = f.step.Run(ctx, f.plan, e); err == nil || !strings.Contains(err.Error(), "scope testing has no registry") {
		t.Errorf("no registry: %v", err)
	}
	f.plan.Prefix = "127.0.0.1:1/nobody"
	f.step.Registry = registry.New(registry.Options{Attempts: 1})
	var coded interface{ ExitCode() int }
	if _, err = f.step.Run(ctx, f.plan, e); !errors.As(err, &coded) || coded.ExitCode() != 75 {
		t.Errorf("a registry that is down: %v", err)
	}
}

func TestDebianBuilder(t *testing.T) {
	f := newFleet(t)
	e := f.get("base", model.LinuxAMD64)
	want := model.Debian{Suite: "bookworm"}
	e.Recipe = &model.Recipe{Builder: model.BuilderDebian, Debian: &want, Packages: map[string]string{"bash": "5"}}
	var got debian.Request
	f.step.Debian = func(_ context.Context, r debian.Request) (v1.Image, error) {
		got = r
		return enginetest.BusyboxImage(t, model.LinuxAMD64), nil
	}
	r, built := f.run(t, "base", model.LinuxAMD64)
	if !built || len(r.Inputs) != 0 {
		t.Errorf("built %v from %v", built, r.Inputs)
	}
	if got.Debian.Suite != "bookworm" || got.Packages["bash"] != "5" || got.Platform != model.LinuxAMD64 {
		t.Errorf("asked for %+v", got)
	}
	if _, err := os.Stat(got.WorkDir); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the work folder stays: %v", err)
	}
	if _, built := f.run(t, "base", model.LinuxAMD64); built {
		t.Error("the second run has built")
	}
}
