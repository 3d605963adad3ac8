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
	"slices"
	"strconv"
	"strings"

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
	Digest   model.Digest // SHA-256 of Form's text
	Form     Form
	Recipe   model.Recipe
	Parents  []model.TargetID // sorted, without repetitions
	TestsKey model.Digest     // of the rendered tests and of how they are run
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
	targets := g.Targets()
	c := &computer{fleet: fleet, tree: tree, graph: g, keys: make(map[model.TargetID]*Key, len(targets))}
	for _, id := range targets {
		if err := ctx.Err(); err != nil {
			return nil, nil, err
		}
		n, _ := g.Node(id)
		if like != nil {
			if other, found := like.Node(id); found && other == n && known[id] != nil {
				c.keys[id] = known[id]
				continue
			}
		}
		c.keys[id] = c.key(n)
	}
	return c.keys, c.list.Sorted(), nil
}

// computer is the state of one Compute.
type computer struct {
	fleet *model.Fleet
	tree  model.Tree
	graph *graph.Graph
	keys  map[model.TargetID]*Key
	list  diag.List
}

func (c *computer) key(n *graph.Node) *Key {
	k := &Key{Target: n.ID, TestsKey: TestsKey(n.Image.Tests)}
	for _, e := range n.Parents {
		k.Parents = append(k.Parents, e.To)
	}
	slices.SortFunc(k.Parents, model.TargetID.Compare)
	k.Parents = slices.Compact(k.Parents)
	k.Form = c.form(n)
	k.Digest = k.Form.Digest()
	k.Recipe = c.recipe(n)
	return k
}

// TestsKey is the digest of an image's tests and of how they are run: the
// test step's own input.
func TestsKey(tests []model.Test) model.Digest {
	b, err := json.Marshal(struct {
		Runner string       `json:"runner"`
		Tests  []model.Test `json:"tests"`
	}{testRunner, tests})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return model.DigestOf(b)
}

// instructionUnreadable is the name of the one instruction that stands for a
// Dockerfile that cannot be read.
const instructionUnreadable = "unreadable"

// form lists what a target's bytes depend on.
func (c *computer) form(n *graph.Node) Form {
	f := Form{
		{Kind: LineFormat, Name: "key", Value: Format},
		{Kind: LinePlatform, Name: "target", Value: n.ID.Platform.String()},
	}
	f = append(f, c.options(n)...)
	f = append(f, instructions(n)...)
	f = append(f, c.parents(n)...)
	f = append(f, c.bases(n)...)
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
func (c *computer) options(n *graph.Node) []Line {
	i := n.Image
	all := map[string]string{"builder": i.Builder}
	if i.Rebuild != 0 {
		all["rebuild"] = strconv.Itoa(i.Rebuild)
	}
	if i.Builder == model.BuilderDebian {
		all["builder"] = i.Builder + "/" + debianForm
		all["suite"], all["variant"], all["mirror"], all["snapshot"] = i.Debian.Suite, i.Debian.Variant, i.Debian.Mirror, i.Debian.Snapshot
		all["packages"] = strings.Join(sortedPackages(i.Debian.Packages), " ")
	} else {
		all["stage"], all["refresh"] = i.Stage, i.Refresh
	}
	var out []Line
	for _, name := range slices.Sorted(maps.Keys(all)) {
		if all[name] != "" {
			out = append(out, Line{Kind: LineOption, Name: name, Value: all[name]})
		}
	}
	return out
}

// debianForm is the version of how a root filesystem is made from packages.
const debianForm = "1"

func sortedPackages(p []string) []string {
	return slices.Compact(slices.Sorted(slices.Values(p)))
}

// instructions are the Dockerfile's, and the arguments that were given to it.
func instructions(n *graph.Node) []Line {
	if n.Resolved == nil && n.Source.OID != "" {
		return []Line{{Kind: LineInstruction, Name: instructionUnreadable, Value: "git:" + n.Source.OID, Path: n.Image.Dockerfile}}
	}
	if n.Resolved == nil {
		return nil
	}
	var out []Line
	for i, text := range n.Resolved.Instructions {
		out = append(out, Line{Kind: LineInstruction, Name: strconv.Itoa(i + 1), Value: text, Path: n.Image.Dockerfile})
	}
	for _, name := range slices.Sorted(maps.Keys(n.Resolved.Args)) {
		out = append(out, Line{Kind: LineArgument, Name: name, Value: n.Resolved.Args[name]})
	}
	return out
}

// parents are the images of the fleet that a target is built from, and which
// reference means which of them.
func (c *computer) parents(n *graph.Node) []Line {
	var out []Line
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
		out = append(out, Line{Kind: LineParent, Name: name, Value: value}, Line{Kind: LineContext, Name: cmp.Or(e.Under, e.Ref), Value: name})
	}
	return sortLines(out)
}

// bases are what a target is built from outside the fleet.
func (c *computer) bases(n *graph.Node) []Line {
	var out []Line
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
		out = append(out, Line{Kind: LineBase, Name: name, Value: b.Digest.String()})
		if b.Under != "" {
			out = append(out, Line{Kind: LineContext, Name: b.Under, Value: name})
		}
		if b.Config != nil && b.Kind != "" && !emptyConfig(b.Config) {
			out = append(out, Line{Kind: LineConfig, Name: name, Value: configText(b.Config)})
		}
	}
	out = append(out, c.debian(n)...)
	return sortLines(out)
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

// sortLines sorts, and drops what is there twice.
func sortLines(lines []Line) []Line {
	slices.SortFunc(lines, func(a, b Line) int {
		return cmp.Or(strings.Compare(a.Kind, b.Kind), strings.Compare(a.Name, b.Name), strings.Compare(a.Value, b.Value))
	})
	return slices.Compact(lines)
}
