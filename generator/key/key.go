// Package key says what a target's bytes depend on, and hashes it.
//
// A key holds everything that can change the bytes of an image and nothing
// else: the Dockerfile in its parsed form, the files that it can read, build
// arguments, the platform, the keys of its parents and the digests of its
// bases. What is published about an image (label, description, tags), its
// tests, the registry and everything about CI stay outside, so that changing
// them builds nothing.
package key

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"runtime"
	"slices"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Format is the version of the key format. It changes when the same inputs
// must be built anew everywhere, which is rare: a new version of this program
// is no reason.
const Format = "rootfsgen-key/1"

// testRunner is the version of how tests are run: what it changes reruns
// every test.
const testRunner = "rootfsgen-tests/1"

// Key is what one target depends on.
type Key struct {
	Target   model.TargetID
	Digest   model.Digest     // SHA-256 of Form's text
	Parents  []model.TargetID // sorted, without repetitions
	TestsKey model.Digest     // of the rendered tests and of how they are run

	by    *computer // nil for a key that was made of a form
	node  *graph.Node
	given Form
}

// Of is a key that is made of a form.
func Of(target model.TargetID, form Form) *Key {
	return &Key{Target: target, Digest: form.Digest(), given: form}
}

// Form is what the digest was computed from. It is made anew each time: of most
// keys nobody asks for more than the digest.
func (k *Key) Form() Form {
	if k.by == nil {
		return k.given
	}
	return k.by.form(k.node, nil)
}

// Recipe is how the target's bytes are made. It is made anew each time, like
// Form, and empty for a key that was made of a form.
func (k *Key) Recipe() model.Recipe {
	if k.by == nil {
		return model.Recipe{}
	}
	return k.by.recipe(k.node)
}

// Compute makes the keys of all targets of a graph. The list says what is
// wrong with the inputs that only keys need; it is empty for a graph without
// errors.
func Compute(ctx context.Context, fleet *model.Fleet, g *graph.Graph, tree model.Tree) (map[model.TargetID]*Key, diag.List, error) {
	return ComputeLike(ctx, fleet, g, tree, nil, nil)
}

// ComputeLike is Compute for a graph that shares nodes with another, whose
// keys are known: a node that is the same has the same key.
func ComputeLike(ctx context.Context, fleet *model.Fleet, g *graph.Graph, tree model.Tree, like *graph.Graph, known map[model.TargetID]*Key) (map[model.TargetID]*Key, diag.List, error) {
	nodes := g.Nodes()
	c := &computer{fleet: fleet, graph: g, untested: TestsKey(nil, "")}
	if known == nil {
		c.keys = make(map[model.TargetID]*Key, len(nodes))
	} else {
		c.keys, nodes = shared(g, like, known)
	}
	for len(nodes) > 0 {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		end := slices.IndexFunc(nodes, func(n *graph.Node) bool { return n.Wave != nodes[0].Wave })
		if end < 0 {
			end = len(nodes)
		}
		c.wave(nodes[:end])
		nodes = nodes[end:]
	}
	return c.keys, nil, nil
}

// shared are the keys of the nodes that a graph has from another, and its own
// nodes.
func shared(g, like *graph.Graph, known map[model.TargetID]*Key) (keys map[model.TargetID]*Key, own []*graph.Node) {
	keys, own = maps.Clone(known), g.Apart(like)
	for _, n := range own {
		delete(keys, n.ID)
	}
	if len(keys) > len(g.Nodes())-len(own) { // some are in the other graph only
		maps.DeleteFunc(keys, func(id model.TargetID, _ *Key) bool { _, found := g.Node(id); return !found })
	}
	return keys, own
}

// computer is the state of one Compute.
type computer struct {
	fleet *model.Fleet
	graph *graph.Graph
	keys  map[model.TargetID]*Key

	untested model.Digest // the tests key of an image without tests
}

// wave makes the keys of targets whose parents have theirs, on all processors.
func (c *computer) wave(nodes []*graph.Node) {
	keys := make([]Key, len(nodes))
	const share = 64
	var next atomic.Int64
	var workers sync.WaitGroup
	for range min(runtime.GOMAXPROCS(0), len(nodes)/share+1) {
		workers.Go(func() {
			s := &scratch{}
			for begin := int(next.Add(share)) - share; begin < len(nodes); begin = int(next.Add(share)) - share {
				for i := begin; i < min(begin+share, len(nodes)); i++ {
					c.key(&keys[i], nodes[i], s)
				}
			}
		})
	}
	workers.Wait()
	for i, n := range nodes {
		c.keys[n.ID] = &keys[i]
	}
}

// scratch is what a worker needs again and again.
type scratch struct {
	lines Form
	text  []byte
}

func (c *computer) key(k *Key, n *graph.Node, s *scratch) {
	*k = Key{Target: n.ID, TestsKey: c.testsKey(n.Image), by: c, node: n}
	if len(n.Parents) > 0 {
		k.Parents = make([]model.TargetID, len(n.Parents))
	}
	for i, e := range n.Parents {
		k.Parents[i] = e.To
	}
	if len(k.Parents) > 1 {
		slices.SortFunc(k.Parents, model.TargetID.Compare)
		k.Parents = slices.Compact(k.Parents)
	}
	s.lines = c.form(n, s.lines[:0])
	s.text = s.lines.appendTo(s.text[:0])
	k.Digest = model.DigestOf(s.text)
}

// testsKey is TestsKey, that of no tests being known.
func (c *computer) testsKey(i *model.Image) model.Digest {
	if i.Tests == nil {
		return c.untested
	}
	return TestsKey(i.Tests, i.Device())
}

// TestsKey is the digest of an image's tests and of how they are run: the
// test step's own input.
func TestsKey(tests []model.Test, device string) model.Digest {
	b, err := json.Marshal(struct {
		Runner string       `json:"runner"`
		Tests  []model.Test `json:"tests"`
		Device string       `json:"device,omitempty"`
	}{testRunner, tests, device})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return model.DigestOf(b)
}

// instructionUnreadable is the name of the one instruction that stands for a
// Dockerfile that cannot be read.
const instructionUnreadable = "unreadable"

// form lists what a target's bytes depend on.
func (c *computer) form(n *graph.Node, f Form) Form {
	f = append(f,
		Line{Kind: LineFormat, Name: "key", Value: Format},
		Line{Kind: LinePlatform, Name: "target", Value: n.ID.Platform.String()})
	f = options(n.Image, f)
	f = instructions(n, f)
	f = c.parents(n, f)
	f = c.bases(n, f)
	for _, e := range n.Files {
		f = append(f, Line{Kind: LineFile, Name: e.Path, Value: object(e), Path: inTree(n.Image.Context, e.Path)})
	}
	f = append(f, folders(n)...)
	for _, e := range n.Inputs {
		f = append(f, Line{Kind: LineInput, Name: e.Path, Value: object(e), Path: e.Path})
	}
	return f
}

// object is a file's mode and content.
func object(e model.TreeEntry) string {
	if e.Mode == model.ModeFolder {
		return "empty folder"
	}
	if e.OID == "" {
		return fmt.Sprintf("%06o empty", e.Mode)
	}
	switch e.Mode {
	case model.ModeFile: // as nearly all are
		return "100644 git:" + e.OID
	case model.ModeExecutable:
		return "100755 git:" + e.OID
	}
	return fmt.Sprintf("%06o git:%s", e.Mode, e.OID)
}

func inTree(context, rel string) string {
	if context == "." || context == "" {
		return rel
	}
	return context + "/" + rel
}

// folders are the named contexts that are folders, and their files. No path of
// a context has two slashes.
func folders(n *graph.Node) []Line {
	var out []Line
	for _, d := range n.Folders {
		out = append(out, Line{Kind: LineContext, Name: d.Context, Value: "files"})
		for _, e := range d.Files {
			out = append(out, Line{Kind: LineFile, Name: d.Context + "//" + e.Path, Value: object(e), Path: inTree(d.Dir, e.Path)})
		}
	}
	return out
}

// options are the settings of an image that change its bytes, sorted.
func options(i *model.Image, f Form) Form {
	add := func(name, value string) {
		if value != "" {
			f = append(f, Line{Kind: LineOption, Name: name, Value: value})
		}
	}
	rebuild := ""
	if i.Rebuild != 0 {
		rebuild = strconv.Itoa(i.Rebuild)
	}
	if i.Builder == model.BuilderDebian {
		add("builder", i.Builder+"/"+debianForm)
		add("mirror", i.Debian.Mirror)
		add("packages", strings.Join(sortedPackages(i.Debian.Packages), " "))
		add("rebuild", rebuild)
		add("snapshot", i.Debian.Snapshot)
		add("suite", i.Debian.Suite)
		add("variant", i.Debian.Variant)
		return f
	}
	add("builder", i.Builder)
	add("rebuild", rebuild)
	add("refresh", i.Refresh)
	add("stage", i.Stage)
	return f
}

// debianForm is the version of how a root filesystem is made from packages.
const debianForm = "1"

func sortedPackages(p []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(p)))
}

// instructions are the Dockerfile's, and the arguments that were given to it.
func instructions(n *graph.Node, f Form) Form {
	if n.Resolved == nil && n.Source.OID != "" {
		return append(f, Line{Kind: LineInstruction, Name: instructionUnreadable, Value: "git:" + n.Source.OID, Path: n.Image.Dockerfile})
	}
	if n.Resolved == nil {
		return f
	}
	for i, text := range n.Resolved.Instructions {
		f = append(f, Line{Kind: LineInstruction, Name: strconv.Itoa(i + 1), Value: text, Path: n.Image.Dockerfile})
	}
	for _, name := range slices.Sorted(maps.Keys(n.Resolved.Args)) {
		f = append(f, Line{Kind: LineArgument, Name: name, Value: n.Resolved.Args[name]})
	}
	return f
}

// parents are the images of the fleet that a target is built from, and which
// reference means which of them.
func (c *computer) parents(n *graph.Node, f Form) Form {
	first := len(f)
	for _, e := range n.Parents {
		name := e.To.Node()
		if e.To.Platform != n.ID.Platform {
			name = e.To.String()
		}
		// A parent without a key is in a cycle, or missing: both were reported.
		value := ""
		if k, found := c.keys[e.To]; found {
			value = k.Digest.String()
		}
		f = append(f, Line{Kind: LineParent, Name: name, Value: value}, Line{Kind: LineContext, Name: cmp.Or(e.Under, e.Ref), Value: name})
	}
	return sortLines(f, first)
}

// bases are what a target is built from outside the fleet.
func (c *computer) bases(n *graph.Node, f Form) Form {
	first := len(f)
	all := n.Bases
	if n.Syntax != nil {
		all = append(slices.Clone(all), *n.Syntax)
	}
	for _, b := range all {
		name := b.Normalized
		if b.Platform != "" && b.Platform != n.ID.Platform.String() {
			name += " " + b.Platform
		}
		// What is not locked counts by its name alone.
		f = append(f, Line{Kind: LineBase, Name: name, Value: b.Digest.String()})
		if b.Under != "" {
			f = append(f, Line{Kind: LineContext, Name: b.Under, Value: name})
		}
		if b.Config != nil && b.Kind != "" && !emptyConfig(b.Config) {
			f = append(f, Line{Kind: LineConfig, Name: name, Value: configText(b.Config)})
		}
	}
	return sortLines(append(f, c.debian(n)...), first)
}

func emptyConfig(c *model.BaseConfig) bool {
	return len(c.Env) == 0 && c.WorkingDir == "" && c.User == "" && len(c.OnBuild) == 0
}

// configText is what a child inherits, for the key.
func configText(c *model.BaseConfig) string {
	b, err := json.Marshal([]any{c.Env, c.WorkingDir, c.User, c.OnBuild})
	if err != nil {
		panic(err) // strings always marshal
	}
	return model.DigestOf(b).String()
}

// sortLines sorts the lines from first on, and drops what is there twice.
func sortLines(f Form, first int) Form {
	lines := f[first:]
	if len(lines) < 2 {
		return f
	}
	slices.SortFunc(lines, func(a, b Line) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	return f[:first+len(slices.Compact(lines))]
}
