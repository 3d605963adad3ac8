package planning

import (
	"bytes"
	"context"
	"io/fs"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// snapshot loads the tree to plan, its graph and its keys. Keys are only
// computed where nothing is wrong so far.
func (s *Session) snapshot(ctx context.Context, rev model.Revision, tree model.Tree) (*plan.Snapshot, diag.List, error) {
	described, builds := written(tree.Entries())
	if err := s.Repo.Prefetch(ctx, described); err != nil {
		return nil, nil, err
	}
	ready := make(chan error, 1)
	read := s.Repo.Prefetch
	if s.narrows() {
		read = s.glance
	}
	go func() { ready <- read(ctx, builds) }() // while the settings and the folders are looked at
	return s.whole(ctx, rev, tree, ready)
}

// whole loads a tree without regard to any other; ready tells that its build
// files are at hand.
func (s *Session) whole(ctx context.Context, rev model.Revision, tree model.Tree, ready <-chan error) (*plan.Snapshot, diag.List, error) {
	noted := &noting{Tree: tree, read: map[string]bool{}}
	fleet, list, err := source.Load(ctx, noted, s.sourceOptions(s.lock))
	if prefetched := <-ready; err == nil {
		err = prefetched
	}
	if err != nil {
		return nil, nil, err
	}
	s.read = noted.read
	s.override(fleet)
	if s.part, err = s.narrow(ctx, fleet, list, tree); err != nil {
		return nil, nil, err
	}
	g, some, more, err := s.graph(ctx, fleet, tree)
	if err != nil {
		return nil, nil, err
	}
	fleet, list = some, append(list, more...)
	if list.HasErrors() {
		return nil, list, nil
	}
	keys, more, err := key.Compute(ctx, fleet, g, tree)
	if err != nil {
		return nil, nil, err
	}
	return &plan.Snapshot{Revision: rev, Fleet: fleet, Graph: g, Keys: keys}, append(list, more...), nil
}

// graph resolves the part of the fleet that the plan is about, or all of it,
// which it returns.
func (s *Session) graph(ctx context.Context, fleet *model.Fleet, tree model.Tree) (*graph.Graph, *model.Fleet, diag.List, error) {
	o := graph.Options{
		// A Dockerfile that cannot be read is the matter of its image alone on a desk.
		CI: s.app.CI(), Lenient: !s.app.CI() && !s.o.Strict, Cache: s.cache, Ignored: s.ignored(ctx), Spare: true,
	}
	if s.part != nil {
		o.Among = fleet
		g, list, err := graph.Build(ctx, s.part.Fleet, tree, o)
		if err != nil || g.Closed() {
			return g, s.part.Fleet, list, err
		}
		s.part, o.Among = nil, nil
	}
	g, list, err := graph.Build(ctx, fleet, tree, o)
	return g, fleet, list, err
}

// override applies what the command says instead of the settings.
func (s *Session) override(fleet *model.Fleet) {
	if s.o.Detect != "" {
		fleet.Settings.Detect = s.o.Detect
	}
}

func (s *Session) sourceOptions(lock []byte) source.Options {
	return source.Options{Config: s.config, ConfigData: s.configData, LockData: lock}
}

// ignored asks git whether it hides a file; nil where there is no repository.
func (s *Session) ignored(ctx context.Context) func(string) bool {
	if s.Repo == nil {
		return nil
	}
	return func(path string) bool {
		s.hinted.Store(true)
		ignored, err := s.Repo.Ignored(ctx, path)
		return err == nil && ignored
	}
}

// older loads the tree to compare with.
func (s *Session) older(ctx context.Context, from model.Revision, tree model.Tree, changes []history.Change, lock []byte) (*plan.Snapshot, diag.List, error) {
	before := make([]model.TreeEntry, 0, len(changes))
	for _, c := range changes {
		if !c.Added() {
			before = append(before, c.Old)
		}
	}
	described, builds := written(before)
	if err := s.Repo.Prefetch(ctx, append(described, builds...)); err != nil {
		return nil, nil, err
	}
	return s.derived(ctx, from, tree, changes, lock)
}

// derived takes what is the same as in Now from there, so that the effort goes
// with what differs. What cannot be understood is left out, and noted in the
// snapshot, which is nil where that is everything.
func (s *Session) derived(ctx context.Context, from model.Revision, tree model.Tree, changes []history.Change, lock []byte) (*plan.Snapshot, diag.List, error) {
	fleet, list, settled := s.Now.Fleet, diag.List(nil), s.settled(changes, lock)
	if !settled {
		var err error
		if fleet, list, err = source.Load(ctx, tree, s.sourceOptions(lock)); err != nil {
			return nil, nil, err
		}
		s.override(fleet)
	}
	if s.unusable(list) {
		return nil, list, nil
	}
	like := &graph.Like{Graph: s.Now.Graph, Fleet: s.Now.Fleet, Settled: settled, Touched: newTouch(changes, s.Tree, tree).node}
	o := graph.Options{Cache: s.cache, Like: like, Lenient: true, Drop: true, Spare: true}
	if s.part != nil {
		o.Among = s.part.Whole
	}
	g, more, err := graph.Build(ctx, fleet, tree, o)
	if err != nil {
		return nil, nil, err
	}
	list = append(list, more...)
	keys, more, err := key.ComputeLike(ctx, fleet, g, tree, s.Now.Graph, s.Now.Keys)
	if err != nil {
		return nil, nil, err
	}
	then := &plan.Snapshot{Revision: from, Fleet: fleet, Graph: g, Keys: keys, Unread: unread(append(list, more...), fleet, g)}
	if len(then.Unread) > 0 {
		for id := range keys { // what was read in part only
			if image, found := fleet.Node(id); found && then.Unread[image.Dir] {
				delete(keys, id)
			}
		}
	}
	return then, list, nil
}

// unusable tells whether nothing of an older tree can be understood, because
// what is about all images cannot.
func (s *Session) unusable(list diag.List) bool {
	return slices.ContainsFunc(list, func(d diag.Diagnostic) bool {
		return d.Severity == diag.Error && (d.Pos.File == s.config || d.Pos.File == s.lockPath() || d.Pos.File == source.LocalLockFile)
	})
}

// unread are the folders of the images that could not be understood.
func unread(list diag.List, fleet *model.Fleet, g *graph.Graph) map[string]bool {
	out := map[string]bool{}
	for _, d := range list {
		if d.Severity == diag.Error {
			out[d.Pos.File], out[path.Dir(d.Pos.File)] = true, true
		}
	}
	if len(out) == 0 {
		return nil
	}
	for i := range fleet.Images {
		image := &fleet.Images[i]
		for _, id := range image.Targets() {
			if _, known := g.Node(id); !known {
				out[image.Dir] = true
			}
		}
	}
	return out
}

// settled tells whether the images, the settings and images.lock of an older
// tree are those of Now: the same files are there, and those that were read to
// find them out are the same.
func (s *Session) settled(changes []history.Change, lock []byte) bool {
	if !bytes.Equal(lock, s.lock) || (lock == nil) != (s.lock == nil) {
		return false
	}
	return !slices.ContainsFunc(changes, func(c history.Change) bool { return c.Old.Mode != c.New.Mode || s.read[c.Path] })
}

// noting notes the files of a tree that were read.
type noting struct {
	model.Tree
	mu   sync.Mutex
	read map[string]bool
}

// Read reads a file, and notes that it did.
func (n *noting) Read(ctx context.Context, path string) ([]byte, error) {
	n.mu.Lock()
	n.read[path] = true
	n.mu.Unlock()
	return n.Tree.Read(ctx, path)
}

// written are the files of a tree that loading reads, and not what goes into
// images: what people write about them, and what they are built by.
func written(entries []model.TreeEntry) (described, builds []model.TreeEntry) {
	for _, e := range entries {
		name := e.Path[strings.LastIndexByte(e.Path, '/')+1:]
		switch {
		case name == "image.yaml", name == "image.yml", name == source.LockFile, name == source.DefaultConfig, strings.HasSuffix(name, ".dockerignore"):
			described = append(described, e)
		case strings.Contains(name, "Dockerfile"), strings.Contains(name, "Containerfile"):
			builds = append(builds, e)
		}
	}
	return described, builds
}

// touch finds the targets that a set of changes may concern.
type touch struct {
	paths []string // that differ, sorted
	links []string // of both trees, sorted
}

func newTouch(changes []history.Change, trees ...model.Tree) *touch {
	t := &touch{}
	for _, c := range changes {
		t.paths = append(t.paths, c.Path)
	}
	for _, tree := range trees {
		for _, e := range tree.Entries() {
			if e.Mode == model.ModeSymlink {
				t.links = append(t.links, e.Path)
			}
		}
	}
	slices.Sort(t.links)
	return t
}

// node tells whether a file that a target may read is among the changes: one
// that its instructions name, that it lists, that says what is left out, or,
// where links lead about, any in its contexts.
func (t *touch) node(n *graph.Node) bool {
	if len(t.paths) == 0 {
		return false
	}
	image := n.Image
	if t.folder(image.Dir) {
		return true
	}
	// As a rule all lies in that folder, of which nothing differs then.
	if _, inside := model.Relative(image.Dir, n.Source.Path); !inside && t.at(n.Source.Path) {
		return true
	}
	if _, inside := model.Relative(image.Dir, image.Dockerfile); !inside && (t.file(image.Dockerfile) || t.file(image.Dockerfile+".dockerignore")) {
		return true
	}
	if slices.ContainsFunc(image.Inputs, t.folder) {
		return true
	}
	for _, value := range image.Contexts {
		if folder, isFolder := strings.CutPrefix(value, "/"); isFolder && t.folder(path.Clean(folder)) {
			return true
		}
	}
	if n.Resolved == nil {
		return false
	}
	dir := path.Clean(image.Context)
	switch {
	case dir == image.Dir:
		return false
	case t.through(dir) || t.linked(dir):
		return true
	case !t.below(dir):
		return false
	case n.Resolved.Whole:
		return true
	}
	return t.at(path.Join(dir, ".dockerignore")) || slices.ContainsFunc(n.Resolved.Reads, func(r dockerfile.Read) bool {
		return r.From == "" && t.below(path.Join(dir, literal(r.Source)))
	})
}

// literal is the folder that a source's wildcards are in, or all of it.
func literal(source string) string {
	parts := strings.Split(source, "/")
	if i := slices.IndexFunc(parts, func(s string) bool { return strings.ContainsAny(s, `*?[\`) }); i >= 0 {
		return path.Join(".", path.Join(parts[:i]...))
	}
	return source
}

// file tells whether a file differs, or may because links lead to it.
func (t *touch) file(p string) bool { return t.at(p) || t.through(p) }

// folder tells the same of all that lies in a folder.
func (t *touch) folder(p string) bool { return t.below(p) || t.through(p) || t.linked(p) }

// linked tells whether there is a link in a folder.
func (t *touch) linked(p string) bool { return begins(t.links, p) }

// at tells whether the path itself differs.
func (t *touch) at(p string) bool {
	_, found := slices.BinarySearch(t.paths, p)
	return found
}

// below tells whether the path, something below it, or what it lies in
// differs.
func (t *touch) below(p string) bool {
	if p == "." || begins(t.paths, p) {
		return true
	}
	for dir := path.Dir(p); dir != "." && dir != "/"; dir = path.Dir(dir) {
		if t.at(dir) {
			return true
		}
	}
	return false
}

// through tells whether a link is on the way to a path.
func (t *touch) through(p string) bool {
	for ; len(t.links) > 0 && p != "." && p != "/" && fs.ValidPath(p); p = path.Dir(p) {
		if _, found := slices.BinarySearch(t.links, p); found {
			return true
		}
	}
	return false
}

// begins tells whether one of sorted paths is p or lies below it.
func begins(sorted []string, p string) bool {
	if p == "." {
		return len(sorted) > 0
	}
	if _, found := slices.BinarySearch(sorted, p); found {
		return true
	}
	i, _ := slices.BinarySearch(sorted, p+"/")
	return i < len(sorted) && strings.HasPrefix(sorted[i], p+"/")
}
