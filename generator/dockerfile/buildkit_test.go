package dockerfile

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"
	"testing"

	"github.com/containerd/platforms"
	"github.com/google/go-cmp/cmp"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	"github.com/moby/buildkit/frontend/dockerfile/dockerfile2llb"
	"github.com/moby/buildkit/frontend/dockerui"
	"github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/opencontainers/go-digest"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	fstypes "github.com/tonistiigi/fsutil/types"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What this package finds is compared with what BuildKit itself makes of the
// same Dockerfile: which images, which paths of the context and which commands
// are in the build that it would run.

// daemon answers BuildKit's frontend. Every image exists; those with
// "trigger" in their name have triggers.
type daemon struct {
	client.Client
	opts map[string]string
}

var (
	baseEnv  = []string{"HOME=home", "PATH=/bin"}
	triggers = []string{"COPY triggered $HOME/too /", "COPY --from=helper:1 / /"}
)

func (d daemon) BuildOpts() client.BuildOpts {
	return client.BuildOpts{Opts: d.opts, LLBCaps: pb.Caps.CapSet(pb.Caps.All()), Caps: gwpb.Caps.CapSet(nil)}
}

func (d daemon) Solve(context.Context, client.SolveRequest) (*client.Result, error) {
	r := client.NewResult()
	r.SetRef(noFiles{})
	return r, nil
}

func (d daemon) ResolveImageConfig(_ context.Context, ref string, _ sourceresolver.Opt) (string, digest.Digest, []byte, error) {
	var image struct {
		ocispecs.Platform
		RootFS ocispecs.RootFS `json:"rootfs"`
		Config struct {
			Env     []string
			OnBuild []string
		} `json:"config"`
	}
	image.Platform = ocispecs.Platform{OS: "linux", Architecture: "amd64"}
	image.RootFS.DiffIDs = []digest.Digest{digest.FromString(ref)}
	image.Config.Env = baseEnv
	if strings.Contains(ref, "trigger") {
		image.Config.OnBuild = triggers
	}
	b, err := json.Marshal(image)
	return ref, "", b, err
}

// noFiles is a context without an ignore file.
type noFiles struct{ client.Reference }

func (noFiles) ReadFile(context.Context, client.ReadRequest) ([]byte, error) {
	return nil, fs.ErrNotExist
}

func (noFiles) StatFile(context.Context, client.StatRequest) (*fstypes.Stat, error) {
	return nil, fs.ErrNotExist
}

// build is what BuildKit would do.
type build struct {
	Images []string            // normalised, sorted
	Named  map[string][]string // paths of named contexts that are folders
	Paths  []string            // of the context, sorted; "." alone for all of it
	Runs   []string            // sorted
}

func buildOf(ctx context.Context, text string, o Options, contexts map[string]string) (build, error) {
	opts := map[string]string{"platform": o.Platform.String(), "target": o.Stage}
	for name, value := range o.Args {
		opts["build-arg:"+name] = value
	}
	for name, source := range contexts {
		opts["context:"+name] = source
	}
	c, err := dockerui.NewClient(daemon{opts: opts})
	if err != nil {
		return build{}, err
	}
	p := platforms.MustParse(o.Platform.String())
	result, err := dockerfile2llb.Dockerfile2LLB(ctx, []byte(text), dockerfile2llb.ConvertOpt{
		Config: c.Config, Client: c, TargetPlatform: &p, MetaResolver: daemon{},
	})
	if err != nil {
		return build{}, err
	}
	def, err := result.State.Marshal(ctx)
	if err != nil {
		return build{}, err
	}
	var b build
	for _, dt := range def.Def {
		var op pb.Op
		if err := op.Unmarshal(dt); err != nil {
			return build{}, err
		}
		if err := b.add(&op); err != nil {
			return build{}, err
		}
	}
	slices.Sort(b.Images)
	b.Images = slices.Compact(b.Images)
	slices.Sort(b.Paths)
	slices.Sort(b.Runs)
	return b, nil
}

func (b *build) add(op *pb.Op) error {
	if exec := op.GetExec(); exec != nil {
		b.Runs = append(b.Runs, strings.Join(exec.Meta.Args, " "))
	}
	source := op.GetSource()
	if source == nil {
		return nil
	}
	image, isImage := strings.CutPrefix(source.Identifier, "docker-image://")
	switch {
	case isImage:
		b.Images = append(b.Images, image)
	case source.Identifier == "local://context":
		var err error
		b.Paths, err = followed(source)
		return err
	default:
		name, isNamed := strings.CutPrefix(source.Identifier, "local://named-")
		if !isNamed {
			return nil
		}
		paths, err := followed(source)
		if b.Named == nil {
			b.Named = map[string][]string{}
		}
		b.Named[name] = pathSet(append(b.Named[name], paths...))
		return err
	}
	return nil
}

// followed are the paths of a local folder that are sent, "." for all.
func followed(source *pb.SourceOp) (paths []string, err error) {
	if follow := source.Attrs[pb.AttrFollowPaths]; follow != "" {
		err = json.Unmarshal([]byte(follow), &paths)
		return paths, err
	}
	return []string{"."}, nil
}

// ours is the same as this package sees it.
func ours(r *Resolved, runs []string) build {
	b := build{Runs: runs}
	for _, ref := range r.Refs {
		s := ref.Named.String()
		if !strings.Contains(path.Base(s), ":") {
			s += ":latest"
		}
		b.Images = append(b.Images, s)
	}
	slices.Sort(b.Images)
	b.Images = slices.Compact(b.Images)
	named := map[string][]string{}
	for _, read := range r.Reads {
		p := path.Join(read.Source, read.Include)
		if read.From == "" {
			b.Paths = append(b.Paths, p)
		} else {
			named[read.From] = append(named[read.From], p)
		}
	}
	b.Paths = pathSet(b.Paths)
	for name, paths := range named {
		if b.Named == nil {
			b.Named = map[string][]string{}
		}
		b.Named[name] = pathSet(paths)
	}
	return b
}

// pathSet is sorted, and "." alone where it is among the paths.
func pathSet(paths []string) []string {
	if slices.Contains(paths, ".") {
		return []string{"."}
	}
	return slices.Compact(sorted(paths))
}

// agree compares the two for one Dockerfile; an error is BuildKit's refusal.
func agree(t interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, ctx context.Context, text string, o Options) error {
	o.Platform = model.LinuxAMD64
	o.BaseConfig = func(ref Ref) (model.BaseConfig, bool) {
		c := model.BaseConfig{Env: baseEnv}
		if strings.Contains(ref.Name, "trigger") {
			c.OnBuild = triggers
		}
		return c, true
	}
	want, err := buildOf(ctx, text, o, given(o))
	f, list := Parse("Dockerfile", []byte(text))
	if f == nil {
		if err == nil {
			t.Errorf("only we refuse it: %q\n%s", messages(list), text)
		}
		return errors.Join(err, list.Err())
	}
	r, list := f.Resolve(o)
	if err != nil {
		return err
	}
	if slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return strict(d, text) }) {
		return list
	}
	if list.HasErrors() {
		t.Errorf("only we refuse it: %q\n%s", messages(list), text)
		return list
	}
	original, got := want, ours(r, want.Runs)
	if want.Named = maps.Clone(want.Named); want.Named == nil && got.Named != nil {
		want.Named = map[string][]string{}
	}
	if len(o.Contexts) > 0 {
		// BuildKit asks for what a stage needs that a context takes the place of,
		// and of a stage that begins with a folder all files count.
		want.Images, want.Paths = within(want.Images, got.Images), within(want.Paths, got.Paths)
		for name, paths := range got.Named {
			want.Named[name] = within(want.Named[name], paths)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("BuildKit (-) and we (+) differ:\n%s\n%s", diff, text)
	}
	redirected(t, ctx, text, r, o, original)
	return nil
}

// given are the target's own named contexts, as BuildKit gets them.
func given(o Options) map[string]string {
	out := map[string]string{}
	for name, value := range o.Contexts {
		if _, isFolder := folderContext(value); isFolder {
			out[name] = "local:named-" + name
		} else {
			out[name] = "docker-image://" + value
		}
	}
	return out
}

// within is all, if some are all among them, or everything is.
func within(some, all []string) []string {
	if slices.Equal(all, []string{"."}) {
		return all
	}
	for _, s := range some {
		if !slices.Contains(all, s) {
			return some
		}
	}
	return all
}

// strict tells whether we refuse on purpose what BuildKit takes: a trigger that
// copies from the very stage that it runs in, the number of a stage that is
// really an image, and an image that the builder cannot be told about.
func strict(d diag.Diagnostic, text string) bool {
	return strings.Contains(d.Message, "only an ONBUILD") || d.Rule == RuleStage && (strings.Contains(d.Message, "there is no stage") || strings.Contains(text, "ONBUILD"))
}

// redirected gives BuildKit another image for every reference, as the runtime
// does, and expects the same build with just these images.
func redirected(t interface {
	Errorf(string, ...any)
	Fatalf(string, ...any)
}, ctx context.Context, text string, r *Resolved, o Options, want build) {
	contexts := given(o)
	var images []string
	recipe := model.Recipe{}
	for _, ref := range r.Refs {
		source := fmt.Sprintf("registry.test/%s@sha256:%064d", strings.NewReplacer(":", "-", "@", "-").Replace(ref.Context), 1)
		if strings.Contains(ref.Name, "trigger") {
			source = "trigger." + source
		}
		contexts[ref.Context] = "docker-image://" + source
		images = append(images, source)
		if ref.Rewrite == nil {
			continue
		}
		if ref.Rewrite.Old == "" {
			return // reported by the graph
		}
		recipe.Rewrites = append(recipe.Rewrites, *ref.Rewrite)
	}
	slices.SortFunc(recipe.Rewrites, func(a, b model.Rewrite) int {
		if a.Line != b.Line {
			return a.Line - b.Line
		}
		return a.Col - b.Col
	})
	rewritten, err := recipe.Rewritten([]byte(text))
	if err != nil {
		t.Fatalf("rewriting: %v\n%s", err, text)
	}
	got, err := buildOf(ctx, string(rewritten), o, contexts)
	if err != nil {
		t.Fatalf("building with named contexts: %v\n%s", err, rewritten)
	}
	want.Images = slices.Compact(sorted(images))
	if len(o.Contexts) > 0 {
		got.Images = within(got.Images, want.Images)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("without (-) and with (+) named contexts:\n%s\n%s\n%v", diff, rewritten, contexts)
	}
}

func TestAgreesWithBuildKit(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"FROM base\nCOPY a b/c /\n",
		"FROM base AS base\nRUN one\nFROM base\nRUN two\n",
		"FROM base AS base\nRUN one\nFROM docker.io/library/base:latest\nCOPY --from=base / /\nCOPY --from=base:latest x /\nRUN two\n",
		"FROM debian AS build\nRUN b\nFROM golang AS debian\nRUN d\nFROM build\nCOPY --from=debian x /\n",
		"FROM a\nFROM b AS unused\nCOPY no /\nFROM c\nCOPY --from=0 x /\n",
		"FROM base\nRUN --mount=type=bind,from=tools:1,target=/t --mount=type=bind,source=in,target=/i go\n",
		"FROM base AS tools\nFROM base\nRUN --mount=from=tools:latest,target=/t --mount=from=tools,target=/u go\n",
		"FROM trigger\nCOPY own /\n",
		"FROM trigger AS s\nFROM s\nCOPY own /\n",
		"FROM base AS s\nONBUILD COPY --from=other x /\nONBUILD COPY later /\nFROM s\nRUN x\n",
		"FROM base\nCOPY --parents a/./b/*.x c /\nADD d.tgz /\nCOPY . /all\n",
		"FROM base\nENV HOME=x$HOME\nARG A=$HOME\nCOPY $HOME/a ${A}b ${NO:-c} /\n",
		"ARG V=1\nFROM base:$V AS x\nARG V\nCOPY f$V /\nFROM x\nCOPY g$V /\n",
		"# escape=`\nFROM base\nCOPY a`\n b /\n",
		"FROM base\nCOPY <<X y /\nz\nX\nRUN <<Y\nhello\nY\n",
	} {
		if err := agree(t, t.Context(), text, Options{}); err != nil {
			t.Errorf("%v\n%s", err, text)
		}
	}
}

func TestAgreesWithBuildKitOnAnything(t *testing.T) {
	t.Parallel()
	refused, all := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		all++
		if err := agree(t, context.Background(), dockerfiles().Draw(t, "Dockerfile"), Options{
			Args: rapid.SampledFrom([]map[string]string{nil, {"G": "given"}, {"D": "d2", "L": "given"}}).Draw(t, "args"),
			Contexts: rapid.SampledFrom([]map[string]string{
				nil, nil, {"base": "quay.io/x/y:1"}, {"base": "/folder"}, {"one": "/one", "other:2": "/other"}, {"two": "trigger:2", "one": "base"}, {"three": "/three"},
			}).Draw(t, "contexts"),
		}); err != nil {
			refused++
		}
	})
	if refused > all*2/3 {
		t.Errorf("BuildKit refuses %d of %d: the test says little", refused, all)
	}
}
