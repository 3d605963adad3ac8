package reads_test

import (
	"cmp"
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/patternmatcher"
	"github.com/moby/patternmatcher/ignorefile"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// objects are files by their id.
type objects map[string]string

func (o objects) Size(_ context.Context, oid string) (int64, error) { return int64(len(o[oid])), nil }
func (o objects) Open(_ context.Context, oid string) (io.ReadCloser, error) {
	s, found := o[oid]
	if !found {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(strings.NewReader(s)), nil
}

// bench is the engines.
type bench struct {
	plain *bk.Client
	ours  *buildkit.Client
	base  string // "host:port/library/busybox:1.35"
	lock  model.LockedBase
	repo  string
}

func newBench(t *testing.T) *bench {
	t.Helper()
	s := enginetest.Services(t)
	b := &bench{base: enginetest.Busybox(t), repo: s.Registry + "/reads"}
	var err error
	if b.ours, err = buildkit.Dial(t.Context(), s.BuildkitAddr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.ours.Close() })
	if b.plain, err = bk.New(t.Context(), s.BuildkitAddr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = b.plain.Close() })
	colon := strings.LastIndexByte(b.base, ':')
	d, _, err := registry.New(registry.Options{}).Resolve(t.Context(), b.base[:colon], b.base[colon+1:])
	if err != nil {
		t.Fatal(err)
	}
	b.lock = model.LockedBase{Digest: d.Digest, Platforms: map[string]model.LockedVariant{"linux/amd64": {Digest: d.Digest}}}
	return b
}

// pinned is the base by digest.
func (b *bench) pinned() string {
	return b.base[:strings.LastIndexByte(b.base, ':')] + "@" + b.lock.Digest.String()
}

// world is a sample as the product understands it.
type world struct {
	*bench
	*sample
	tree    model.Tree
	content objects
	recipe  model.Recipe
	list    diag.List
}

func (b *bench) load(ctx context.Context, s *sample) (*world, error) {
	w := &world{bench: b, sample: s, tree: history.MemoryFiles(s.files), content: objects{}}
	for _, e := range w.tree.Entries() {
		w.content[e.OID] = s.files[e.Path].Content
	}
	contexts := maps.Clone(s.named)
	contexts["busybox"] = b.base
	fleet := &model.Fleet{
		Images: []model.Image{{
			ID: "it", Dir: path.Dir(s.path), Builder: model.BuilderDockerfile, Dockerfile: s.path, Context: "ctx", Args: s.args,
			Platforms: []model.Platform{model.LinuxAMD64}, Contexts: contexts, ImageName: "it", ComponentVersion: "0",
		}},
		Lock: model.Lock{Bases: map[string]model.LockedBase{b.base: b.lock}},
	}
	g, list, err := graph.Build(ctx, fleet, w.tree, graph.Options{})
	if err != nil {
		return nil, err
	}
	keys, more, err := key.Compute(ctx, fleet, g, w.tree)
	if err != nil {
		return nil, err
	}
	w.list = append(list, more...)
	for _, id := range g.Targets() {
		w.recipe = keys[id].Recipe()
	}
	return w, nil
}

// selected builds with what the key holds, and nothing else.
func (w *world) selected(ctx context.Context) (model.Digest, error) {
	if err := w.list.Err(); err != nil {
		return "", err
	}
	text, err := w.recipe.Rewritten([]byte(w.text))
	if err != nil {
		return "", err
	}
	r := buildkit.Request{
		Name: "reads", Repository: w.repo, Platform: model.LinuxAMD64, Dockerfile: text, Path: w.path, Args: w.recipe.Args, Stage: w.recipe.Stage,
	}
	files, err := gitcontext.New(ctx, w.content, w.recipe.Files)
	if err != nil {
		return "", err
	}
	r.Files = files
	for _, c := range w.recipe.Contexts {
		if c.Folder == "" {
			r.Contexts = append(r.Contexts, buildkit.Context{Ref: c.Ref, Source: w.pinned()})
			continue
		}
		files, err := gitcontext.New(ctx, w.content, c.Files)
		if err != nil {
			return "", err
		}
		r.Folders = append(r.Folders, buildkit.Folder{Name: c.Ref, Files: files})
	}
	return w.ours.Build(ctx, r)
}

// everything builds with all that there is, as "docker build" does.
func (w *world) everything(ctx context.Context) (model.Digest, error) {
	attrs := map[string]string{
		"platform": "linux/amd64", "filename": path.Base(w.path), "build-arg:SOURCE_DATE_EPOCH": strconv.Itoa(model.SourceDateEpoch),
		"context:busybox": "docker-image://" + w.pinned(), "context:tools": "local:tools",
	}
	for name, value := range w.args {
		attrs["build-arg:"+name] = value
	}
	mounts, id := map[string]fsutil.FS{}, ""
	for _, local := range [][2]string{{"context", "ctx"}, {"dockerfile", path.Dir(w.path)}, {"tools", "tools"}} {
		name := local[0]
		files, err := w.folder(ctx, local[1])
		if err != nil {
			return "", err
		}
		mounts[name] = files
		id += name + files.ID()
	}
	status := make(chan *bk.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range status {
			continue // nobody looks
		}
	}()
	resp, err := w.plain.Solve(ctx, nil, bk.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: attrs, LocalMounts: mounts, SharedKey: model.DigestOf([]byte(id)).Hex(),
		Exports: []bk.ExportEntry{{Type: bk.ExporterImage, Attrs: map[string]string{"oci-mediatypes": "true", "rewrite-timestamp": "true"}}},
	}, status)
	<-drained
	if err != nil {
		return "", err
	}
	return model.ParseDigest(resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

func (w *world) folder(ctx context.Context, dir string) (*gitcontext.FS, error) {
	var in []model.TreeEntry
	for _, e := range w.tree.Entries() {
		if rel, found := strings.CutPrefix(e.Path, dir+"/"); found {
			e.Path = rel
			in = append(in, e)
		}
	}
	return gitcontext.New(ctx, w.content, in)
}

// String shows a sample to people.
func (w *world) String() string {
	var b strings.Builder
	for _, p := range slices.Sorted(maps.Keys(w.files)) {
		f := w.files[p]
		if f.Mode == model.ModeSymlink {
			fmt.Fprintf(&b, "%q -> %q\n", p, f.Content)
		} else {
			fmt.Fprintf(&b, "%q: %q\n", p, f.Content)
		}
	}
	fmt.Fprintf(&b, "-- %s %v\n%s-- selected\n", w.path, w.args, w.text)
	for _, f := range w.recipe.Files {
		fmt.Fprintf(&b, "%q\n", f.Path)
	}
	for _, c := range w.recipe.Contexts {
		for _, f := range c.Files {
			fmt.Fprintf(&b, "%s %q\n", c.Ref, f.Path)
		}
	}
	for _, d := range w.list {
		fmt.Fprintf(&b, "%s %s\n", d.Severity, d.Message)
	}
	return b.String()
}

// emptied tells whether BuildKit's own client would send a selected file
// without its content. Its walk through a folder and its look at a single path
// disagree about some ignore files that exclude again what they have let in;
// it shows such a file, and cannot open it then.
func (w *world) emptied() bool {
	sets := map[string][]model.TreeEntry{"ctx": w.recipe.Files}
	for _, c := range w.recipe.Contexts {
		sets[c.Folder] = c.Files
	}
	for dir, files := range sets {
		build := ""
		if dir == "ctx" {
			build = w.path
		}
		file := dockerfile.IgnoreFile(w.tree, build, dir)
		lines, err := ignorefile.ReadAll(strings.NewReader(w.files[file].Content))
		if err != nil {
			continue
		}
		m, err := patternmatcher.New(lines)
		if err != nil {
			continue
		}
		for _, f := range files {
			if excluded, err := m.MatchesOrParentMatches(f.Path); err == nil && excluded && f.Mode != model.ModeFolder {
				return true
			}
		}
	}
	return false
}

// judge compares the two builds of a sample; it says whether there was an
// image.
func (b *bench) judge(ctx context.Context, s *sample) (built bool, problem string) {
	w, err := b.load(ctx, s)
	if err != nil {
		return false, err.Error()
	}
	want, wantErr := w.everything(ctx)
	got, gotErr := w.selected(ctx)
	switch {
	case trouble(wantErr) || trouble(gotErr):
		return false, cmp.Or(fmt.Sprint(wantErr), fmt.Sprint(gotErr))
	case (wantErr == nil) != (gotErr == nil):
		return false, fmt.Sprintf("everything: %v\nselected: %v\n%s", wantErr, gotErr, w)
	case want != got && w.emptied():
		return false, ""
	case want != got:
		return false, fmt.Sprintf("everything is %s, selected is %s\n%s", want, got, w)
	}
	return wantErr == nil, ""
}

func trouble(err error) bool {
	_, unavailable := errors.AsType[*buildkit.Unavailable](err)
	return unavailable || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

var (
	count = flag.Int("reads.n", 30, "how many contexts are compared")
	first = flag.Int("reads.seed", 1, "seed of the first; each further one has the next")
)

// Nothing that BuildKit reads is left out, and nothing that it would not read
// changes what comes of it.
func TestSelectionIsEnough(t *testing.T) {
	b := newBench(t)
	samples := rapid.Custom(draw)
	var built, refused atomic.Int64
	var g errgroup.Group
	g.SetLimit(4)
	for seed := *first; seed < *first+*count; seed++ {
		g.Go(func() error {
			ok, problem := b.judge(t.Context(), samples.Example(seed))
			switch {
			case problem != "":
				t.Errorf("seed %d: %s", seed, problem)
			case ok:
				built.Add(1)
			default:
				refused.Add(1)
			}
			return nil
		})
	}
	_ = g.Wait() // nothing returns an error
	t.Logf("%d samples were built, %d refused by both", built.Load(), refused.Load())
	if built.Load()*4 < refused.Load() {
		t.Error("too few samples can be built: the test says little")
	}
}
