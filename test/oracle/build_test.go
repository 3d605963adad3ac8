package oracle

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/grpcerrors"
	"github.com/tonistiigi/fsutil"
	"google.golang.org/grpc/codes"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

// side is one of a sample's trees, as the product understands it.
type side struct {
	tree    model.Tree
	content objects
	graph   *graph.Graph
	keys    map[model.TargetID]*key.Key
	spoil   func(*model.Recipe) // makes all recipes wrong; nil but for a test of the oracle itself
	list    diag.List           // without warnings
}

func (w *world) load(ctx context.Context, f files) (*side, error) {
	s := &side{tree: w.fill(f)}
	var err error
	if s.content, err = contentOf(ctx, s.tree); err != nil {
		return nil, err
	}
	fleet, list, err := source.Load(ctx, s.tree, source.Options{})
	if err != nil {
		return nil, err
	}
	s.refuse(list)
	var more diag.List
	if s.graph, more, err = graph.Build(ctx, fleet, s.tree, graph.Options{}); err != nil {
		return nil, err
	}
	s.refuse(more)
	if s.keys, more, err = key.Compute(ctx, fleet, s.graph, s.tree); err != nil {
		return nil, err
	}
	s.refuse(more)
	return s, nil
}

// recipe is how a target is built.
func (s *side) recipe(id model.TargetID) model.Recipe {
	r := s.keys[id].Recipe()
	if s.spoil != nil {
		s.spoil(&r)
	}
	return r
}

func (s *side) refuse(list diag.List) {
	for _, d := range list {
		if d.Severity == diag.Error {
			s.list = append(s.list, d)
		}
	}
}

// request is one build of one target, in both ways.
type request struct {
	id       model.TargetID
	image    *model.Image
	recipe   model.Recipe
	side     *side
	contexts []buildkit.Context // what the references stand for, the same for both ways
	folders  []model.NamedContext
}

// request says how a target is built; false when a parent of it could not be.
func (s *side) request(id model.TargetID, built map[model.TargetID]model.Digest, w *world) (*request, bool) {
	n, _ := s.graph.Node(id)
	r := &request{id: id, image: n.Image, recipe: s.recipe(id), side: s}
	byName := map[string]model.TargetID{}
	for _, p := range s.keys[id].Parents {
		byName[p.String()] = p
	}
	for _, c := range r.recipe.Contexts {
		if c.Folder != "" {
			r.folders = append(r.folders, c)
			continue
		}
		if c.Parent == "" {
			r.contexts = append(r.contexts, buildkit.Context{Ref: c.Ref, Source: c.Source})
			continue
		}
		platform := c.Platform
		if platform == (model.Platform{}) {
			platform = id.Platform
		}
		parent := byName[c.Parent+" "+platform.String()]
		digest, done := built[parent]
		if !done {
			return nil, false
		}
		r.contexts = append(r.contexts, buildkit.Context{Ref: c.Ref, Source: w.push(parent.Image) + "@" + digest.String()})
	}
	return r, true
}

// fingerprint is the same for requests that ask for the very same build of
// ours.
func (r *request) fingerprint() string {
	b, err := json.Marshal(struct {
		Platform string
		Recipe   model.Recipe
		Contexts []buildkit.Context
	}{r.id.Platform.String(), r.recipe, r.contexts})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return string(b)
}

// build is the product's own way: the key's recipe and nothing else.
func (w *world) build(ctx context.Context, r *request) (model.Digest, error) {
	ctx, cancel := wait(ctx)
	defer cancel()
	text, err := gitcontext.ReadAll(ctx, r.side.content, r.recipe.Dockerfile.OID)
	if err == nil {
		text, err = r.recipe.Rewritten(text)
	}
	if err != nil {
		return "", err
	}
	fs, err := gitcontext.New(ctx, r.side.content, r.recipe.Files)
	if err != nil {
		return "", err
	}
	var folders []buildkit.Folder
	for _, c := range r.folders {
		in, err := gitcontext.New(ctx, r.side.content, c.Files)
		if err != nil {
			return "", err
		}
		folders = append(folders, buildkit.Folder{Name: c.Ref, Files: in})
	}
	return w.ours.Build(ctx, buildkit.Request{
		Name: r.id.String(), Repository: w.push(r.id.Image), Platform: r.id.Platform, Dockerfile: text, Path: r.recipe.Dockerfile.Path,
		Files: fs, Stage: r.recipe.Stage, Args: r.recipe.Args, Contexts: r.contexts, Folders: folders, Syntax: r.recipe.Syntax, NoCache: true,
	})
}

// plainRequest is a build as "docker build" asks for it, with the folder of
// the context and that of the Dockerfile as they are. Only what the references
// stand for is given, and the time.
type plainRequest struct {
	attrs   map[string]string
	folders map[string]*gitcontext.FS // the context, the Dockerfile's and the named ones
}

func (r *request) plain(ctx context.Context) (*plainRequest, error) {
	p := &plainRequest{folders: map[string]*gitcontext.FS{}, attrs: map[string]string{
		"platform": r.id.Platform.String(), "build-arg:SOURCE_DATE_EPOCH": strconv.Itoa(model.SourceDateEpoch),
		"filename": path.Base(r.image.Dockerfile), "target": r.image.Stage, "no-cache": "",
	}}
	for name, value := range r.image.Args {
		p.attrs["build-arg:"+name] = value
	}
	for _, c := range r.contexts {
		p.attrs["context:"+c.Ref] = "docker-image://" + c.Source
	}
	var err error
	if p.folders["context"], err = r.side.folder(ctx, r.image.Context, nil); err != nil {
		return nil, err
	}
	for name, value := range r.image.Contexts {
		dir, isFolder := strings.CutPrefix(value, "/")
		if !isFolder {
			continue // an image, which is among the contexts
		}
		p.attrs["context:"+name] = "local:" + name
		if p.folders[name], err = r.side.folder(ctx, path.Clean(dir), nil); err != nil {
			return nil, err
		}
	}
	// A stage and an image of one name: there a plain build needs help, too.
	var rewritten *rewrittenFile
	if len(r.recipe.Rewrites) > 0 {
		text, err := r.recipe.Rewritten([]byte(r.side.content[r.recipe.Dockerfile.OID]))
		if err != nil {
			return nil, err
		}
		rewritten = &rewrittenFile{path: path.Base(r.image.Dockerfile), text: string(text)}
	}
	p.folders["dockerfile"], err = r.side.folder(ctx, path.Dir(r.image.Dockerfile), rewritten)
	return p, err
}

type rewrittenFile struct{ path, text string }

// folder is everything below a folder of the tree.
func (s *side) folder(ctx context.Context, dir string, instead *rewrittenFile) (*gitcontext.FS, error) {
	var in []model.TreeEntry
	content := s.content
	for _, e := range s.tree.Entries() {
		if dir != "." {
			rel, found := strings.CutPrefix(e.Path, dir+"/")
			if !found {
				continue
			}
			e.Path = rel
		}
		if instead != nil && e.Path == instead.path {
			content = maps.Clone(content)
			e.OID = "rewritten " + instead.text
			content[e.OID] = instead.text
		}
		in = append(in, e)
	}
	return gitcontext.New(ctx, content, in)
}

// fingerprint is the same for plain builds of the very same input.
func (p *plainRequest) fingerprint() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.attrs)) {
		fmt.Fprintf(&b, "%s=%s\n", name, p.attrs[name])
	}
	return b.String() + p.id()
}

// id is the same for the same files.
func (p *plainRequest) id() string {
	var b strings.Builder
	for _, name := range slices.Sorted(maps.Keys(p.folders)) {
		fmt.Fprintf(&b, "%s=%s\n", name, p.folders[name].ID())
	}
	return model.DigestOf([]byte(b.String())).Hex()
}

// judge is the digest of a plain build, from the exporter: nothing is pushed.
func (w *world) judge(ctx context.Context, p *plainRequest) (model.Digest, error) {
	ctx, cancel := wait(ctx)
	defer cancel()
	status := make(chan *bk.SolveStatus)
	drained := make(chan struct{})
	go func() {
		defer close(drained)
		for range status {
			continue // nobody looks
		}
	}()
	mounts := map[string]fsutil.FS{}
	for name, f := range p.folders {
		mounts[name] = f
	}
	resp, err := w.plain.Solve(ctx, nil, bk.SolveOpt{
		Frontend: "dockerfile.v0", FrontendAttrs: p.attrs,
		LocalMounts: mounts,
		SharedKey:   "plain " + p.id(),
		Exports:     []bk.ExportEntry{{Type: bk.ExporterImage, Attrs: map[string]string{"oci-mediatypes": "true", "rewrite-timestamp": "true"}}},
	}, status)
	<-drained
	if err != nil {
		if ctx.Err() != nil {
			return "", errors.Join(errHangs, err)
		}
		return "", err
	}
	return model.ParseDigest(resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

// errHangs is a build that does not end: nothing can be judged by it.
var errHangs = errors.New("the build did not end in time")

// trouble tells whether an error is the engine's and not the sample's.
func trouble(err error) bool {
	return daemonDied(err) || errors.Is(err, errHangs) || errors.Is(err, context.DeadlineExceeded) || errors.Is(err, context.Canceled)
}

// daemonDied tells whether an error may come from a daemon that is not there any
// more. Some come from it as text.
func daemonDied(err error) bool {
	if err == nil {
		return false
	}
	_, unavailable := errors.AsType[*buildkit.Unavailable](err)
	return unavailable || grpcerrors.Code(err) == codes.Unavailable || strings.Contains(err.Error(), "error reading from server: EOF")
}

// dying bounds how long a daemon that dies may go on answering.
const dying = 10 * time.Second

// gone tells whether the daemon is not there. One that dies may still answer
// for a moment, so its end is waited for: a connection ends with the process at
// the other end of it, and this one is never spoken on.
func (w *world) gone(ctx context.Context) bool {
	network, address, _ := strings.Cut(w.address, "://")
	c, err := (&net.Dialer{}).DialContext(ctx, network, address)
	if err != nil {
		return ctx.Err() == nil
	}
	defer func() { _ = c.Close() }() // nothing was written
	if err := c.SetReadDeadline(time.Now().Add(dying)); err != nil {
		return false
	}
	_, err = io.Copy(io.Discard, c)
	return !errors.Is(err, os.ErrDeadlineExceeded)
}

// revive starts the daemon again, which is gone. No build may be under way.
func (w *world) revive(ctx context.Context) error {
	ctx, cancel := wait(ctx)
	defer cancel()
	again := time.NewTicker(time.Second)
	defer again.Stop()
	for {
		err := w.dialAgain(ctx)
		if err == nil {
			return nil
		}
		select { // what it leaves behind may end after it
		case <-ctx.Done():
			return err
		case <-again.C:
		}
	}
}

func (w *world) dialAgain(ctx context.Context) error {
	if err := enginetest.Revive(ctx); err != nil {
		return err
	}
	ours, err := buildkit.Dial(ctx, w.address)
	if err != nil {
		return err
	}
	plain, err := bk.New(ctx, w.address)
	if err == nil {
		_, err = plain.Info(ctx)
	}
	if err != nil {
		return errors.Join(err, ours.Close())
	}
	_, _ = w.ours.Close(), w.plain.Close() // their daemon is gone
	w.ours, w.plain = ours, plain
	return w.settle(ctx)
}

// settle makes a build that any failure is forgiven: what a killed daemon leaves
// of a snapshot is in the way of the next one, and goes with it.
func (w *world) settle(ctx context.Context) error {
	const text = "FROM scratch\nCOPY Dockerfile /\n"
	fs, err := gitcontext.New(ctx, objects{"settle": text},
		[]model.TreeEntry{{Path: "Dockerfile", Mode: model.ModeFile, OID: "settle"}})
	if err != nil {
		return err
	}
	_, _ = w.judge(ctx, &plainRequest{attrs: map[string]string{"no-cache": ""}, folders: map[string]*gitcontext.FS{"context": fs, "dockerfile": fs}})
	return ctx.Err()
}
