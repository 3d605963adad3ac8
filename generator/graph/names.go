package graph

import (
	"cmp"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"
	"sync"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// names finds the image of the fleet that a reference means. It is safe for
// concurrent use.
type names struct {
	tree     model.Tree
	images   map[string][]called // by id, by image_name and by the names that links give
	all      func() []string     // their names, sorted
	places   map[string][]called // by folder and by the folder's last part, in roots without a pattern
	bare     bool                // a name without a registry means one of ours
	prefixes []prefix            // longest first
	rules    []rule
	folders  map[string][]*model.Image // by folder, that of a link too; empty where nothing asks for a folder
	files    map[string][]*model.Image // by build file; likewise
	paths    []string                  // of both, sorted

	mu    sync.Mutex
	known map[string]meaning // by reference
}

// called is a node under one of its names.
type called struct {
	tag   string // that the name gives it
	image *model.Image
}

// prefix is one of the repositories that are ours, with a slash at its end.
type prefix struct {
	written string
	normal  string // with the registry that is meant when it names none
}

// meaning is what a reference stands for.
type meaning struct {
	image   *model.Image // nil for an image outside
	note    string       // why it is outside, where it looked like ours
	ruled   bool         // a rule says so
	alone   bool         // unknown, and no image of the fleet is called nearly so: perhaps one that left it
	unknown string       // what cannot be resolved, and
	hint    string       // what to do
}

func newNames(fleet *model.Fleet, tree model.Tree) *names {
	n := &names{
		tree: tree, images: make(map[string][]called, len(fleet.Images)), places: map[string][]called{}, known: map[string]meaning{},
		folders: map[string][]*model.Image{}, files: map[string][]*model.Image{},
	}
	for i := range fleet.Images {
		image := &fleet.Images[i]
		n.call(image.ID, image.Node().Tag, image)
	}
	if len(fleet.Aliases)+len(fleet.Settings.References) > 0 {
		n.lay(fleet)
	}
	for i := range fleet.Images {
		if image := &fleet.Images[i]; image.ImageName != image.ID && !n.isID(image.ImageName) {
			n.call(image.ImageName, image.Node().Tag, image)
		}
	}
	n.aliases(fleet)
	n.all = sync.OnceValue(func() []string { return slices.Sorted(maps.Keys(n.images)) })
	n.place(fleet)
	n.prefix(fleet.Settings.Repositories)
	n.rule(fleet.Settings.References)
	return n
}

// lay notes where the images lie.
func (n *names) lay(fleet *model.Fleet) {
	for i := range fleet.Images {
		image := &fleet.Images[i]
		n.folders[image.Dir] = append(n.folders[image.Dir], image)
		if image.Dockerfile != "" {
			n.files[image.Dockerfile] = append(n.files[image.Dockerfile], image)
		}
	}
}

func (n *names) call(name, tag string, image *model.Image) {
	n.images[name] = append(n.images[name], called{tag, image})
}

// isID tells whether a name is the id of an image: that goes before a
// repository of the same name.
func (n *names) isID(name string) bool {
	return slices.ContainsFunc(n.images[name], func(c called) bool { return c.image.ID == name })
}

// aliases adds the names that links give, where no image has them.
func (n *names) aliases(fleet *model.Fleet) {
	for _, a := range fleet.Aliases {
		image, found := fleet.Node(a.Node)
		if !found {
			continue
		}
		if _, taken := n.folders[a.Dir]; !taken || n.folders[a.Dir][0].Dir != a.Dir {
			n.folders[a.Dir] = append(n.folders[a.Dir], image)
		}
		tag := cmp.Or(a.Tag, image.Node().Tag)
		if !slices.ContainsFunc(n.images[a.Image], func(c called) bool { return c.tag == tag && c.image.Variant == image.Variant }) {
			n.call(a.Image, tag, image)
		}
	}
}

// place notes where the images of roots without a pattern lie: there, the
// folder is as good a name as the id that was made of it.
func (n *names) place(fleet *model.Fleet) {
	for _, root := range fleet.Settings.Roots {
		if root.Pattern != "" {
			continue
		}
		for i := range fleet.Images {
			image := &fleet.Images[i]
			rel, below := strings.CutPrefix("/"+image.Dir, path.Join("/", root.Root)+"/")
			if root.Root == "." {
				rel, below = image.Dir, true
			}
			if !below {
				continue
			}
			for _, name := range slices.Compact([]string{rel, path.Base(rel)}) {
				if one := (called{image.Node().Tag, image}); !slices.Contains(n.places[name], one) {
					n.places[name] = append(n.places[name], one)
				}
			}
		}
	}
}

func (n *names) prefix(repositories []string) {
	for _, p := range repositories {
		if p == "" {
			n.bare = true
			continue
		}
		p = strings.TrimSuffix(p, "/") + "/"
		n.prefixes = append(n.prefixes, prefix{written: p, normal: normalPrefix(p)})
	}
	slices.SortFunc(n.prefixes, func(a, b prefix) int {
		return cmp.Or(cmp.Compare(len(b.written), len(a.written)), strings.Compare(a.written, b.written))
	})
}

// normalPrefix is a prefix with the registry that is meant when it names
// none.
func normalPrefix(p string) string {
	named, err := reference.ParseNormalizedNamed(p + "x")
	if err != nil {
		return p
	}
	return strings.TrimSuffix(named.Name(), "x")
}

// below is what stands after one of our prefixes.
func (n *names) below(written string, named reference.Named) (rest string, found bool) {
	for _, p := range n.prefixes {
		if rest, found := strings.CutPrefix(written, p.written); found {
			return rest, true
		}
		if rest, found := strings.CutPrefix(named.Name(), p.normal); found {
			return rest, true
		}
	}
	return "", false
}

// find tells what a reference means.
func (n *names) find(ref dockerfile.Ref) meaning {
	n.mu.Lock()
	m, done := n.known[ref.Name]
	n.mu.Unlock()
	if done {
		return m
	}
	m = n.look(ref)
	n.mu.Lock()
	n.known[ref.Name] = m
	n.mu.Unlock()
	return m
}

func (n *names) look(ref dockerfile.Ref) meaning {
	written, tag := cutTag(ref.Name)
	_, isDigest := ref.Named.(reference.Digested)
	if m, ruled := n.byRule(ref.Name, tag, isDigest); ruled {
		return m
	}
	name, isOurs := n.below(written, ref.Named)
	candidates := n.images[name]
	switch {
	case isOurs && candidates == nil:
		var several []string
		if candidates, several = n.byPlace(name); candidates == nil {
			return n.unknown(ref.Name, written, name, several)
		}
	case !isOurs:
		if name = written; !n.bare || n.images[written] == nil {
			return meaning{}
		}
		candidates = n.images[written]
	}
	if isDigest {
		return meaning{note: "the digest is fixed: the image of this fleet has another with each build"}
	}
	if image := tagged(candidates, tag); image != nil {
		return meaning{image: image}
	}
	return meaning{note: fmt.Sprintf("%s has no tag %s in this fleet, only %s", name, cmp.Or(tag, "latest"), strings.Join(tagsOf(candidates), ", "))}
}

// byPlace finds images by their folder, or by its last part if that is the
// only one; several are those that it is not the only one of.
func (n *names) byPlace(name string) (found []called, several []string) {
	found = n.places[name]
	for _, c := range found {
		if !slices.Contains(several, c.image.Dir) {
			several = append(several, c.image.Dir)
		}
	}
	if len(several) > 1 {
		return nil, several
	}
	return found, nil
}

func (n *names) unknown(ref, written, name string, several []string) meaning {
	m := meaning{alone: len(several) == 0, unknown: fmt.Sprintf("%q is not an image of this fleet", ref), hint: "no image of this repository is called so; if it is one from outside, say so with a rule under references"}
	if near := diag.Nearest(name, n.all(), max(2, len(name)/3)); near != "" {
		m.alone = false
		m.hint = "did you mean " + strings.TrimSuffix(written, name) + near + "?"
	}
	if len(several) > 0 {
		m.unknown = fmt.Sprintf("%q can mean several images of this fleet", ref)
		m.hint = "write the folder: " + strings.Join(several, ", ")
	}
	return m
}

// tagged is the node that a tag means. No tag, and latest, mean the tag latest
// or the only node; a tag means the node that has it, as its own, with its
// variant, or as its variant.
func tagged(all []called, tag string) *model.Image {
	if tag == "" {
		tag = "latest"
	}
	for _, fits := range []func(called) bool{
		func(c called) bool { return c.tag == tag && c.image.Variant == "" },
		func(c called) bool { return c.tag == tag },
		func(c called) bool { return c.tag+"-"+c.image.Variant == tag },
		func(c called) bool { return c.image.Variant == tag },
		func(c called) bool { return c.image.ComponentVersion == tag && c.image.Variant == "" },
		func(c called) bool { return tag == "latest" && c.image.Variant == "" },
		func(called) bool { return tag == "latest" },
	} {
		if image := only(all, fits); image != nil {
			return image
		}
	}
	return nil
}

// only is the one node that fits, nil where none or several do.
func only(all []called, fits func(called) bool) *model.Image {
	var found *model.Image
	for _, c := range all {
		switch {
		case !fits(c) || found == c.image:
		case found != nil:
			return nil
		default:
			found = c.image
		}
	}
	return found
}

func tagsOf(all []called) []string {
	var out []string
	for _, c := range all {
		tag := c.tag
		if c.image.Variant != "" {
			tag += "-" + c.image.Variant
		}
		out = append(out, tag)
	}
	slices.Sort(out)
	out = slices.Compact(out)
	const most = 8
	if len(out) > most {
		out = append(out[:most], fmt.Sprintf("and %d more", len(out)-most))
	}
	return out
}

// cutTag splits a reference as it is written; the digest is cut off.
func cutTag(ref string) (name, tag string) {
	name, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// Meaning is what a reference stands for.
type Meaning struct {
	Image   *model.Image // nil for what is outside, or unknown
	Note    string       // why it is outside, where it looked like one of ours
	Unknown string       // what is wrong with it
}

// Meanings tells what references mean in a fleet, before anything of it is
// resolved. What is no reference at all is outside.
func Meanings(fleet *model.Fleet, tree model.Tree) func(ref string) Meaning {
	n := newNames(fleet, tree)
	return func(ref string) Meaning {
		named, err := reference.ParseNormalizedNamed(ref)
		if err != nil {
			return Meaning{}
		}
		m := n.find(dockerfile.Ref{Name: ref, Named: named})
		return Meaning{Image: m.image, Note: m.note, Unknown: m.unknown}
	}
}
