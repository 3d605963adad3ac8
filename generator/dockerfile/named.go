package dockerfile

import (
	"maps"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// ContextName is the name by which BuildKit looks a named context up: the
// reference as people write it, without ":latest". It is false for a name that
// no context can have.
func ContextName(name string) (string, bool) {
	named, err := reference.ParseNormalizedNamed(name)
	if err != nil || strings.EqualFold(name, scratch) || strings.EqualFold(name, "context") {
		return "", false
	}
	return strings.TrimSuffix(reference.FamiliarString(named), ":latest"), true
}

// contexts are the named contexts of Options by the names that BuildKit looks
// for. One that cannot be found by any name is left out, and of several with one
// name all but the first.
func contexts(all map[string]string) map[string]string {
	if len(all) == 0 {
		return nil
	}
	out := make(map[string]string, len(all))
	for _, name := range slices.Sorted(maps.Keys(all)) {
		known, ok := ContextName(name)
		if _, taken := out[known]; ok && !taken {
			out[known] = all[name]
		}
	}
	return out
}

// named finds the context that takes the place of a reference.
func (r *resolver) named(name string) (context string, found bool) {
	if len(r.contexts) == 0 {
		return "", false
	}
	if name, found = ContextName(name); !found {
		return "", false
	}
	_, found = r.contexts[name]
	return name, found
}

// folderOf tells which named context with a folder a dependency is.
func (r *resolver) folderOf(d dependency) (name, folder string, found bool) {
	if d.image == "" {
		return "", "", false
	}
	if name, found = r.named(d.image); !found {
		return "", "", false
	}
	if folder, found = folderContext(r.contexts[name]); !found {
		return "", "", false
	}
	return name, folder, true
}

// folderContext is the folder of a context's value, from the root of the tree.
func folderContext(value string) (folder string, isFolder bool) {
	if !strings.HasPrefix(value, "/") {
		return "", false
	}
	folder, _ = cleanSource(value)
	return folder, true
}

// fromNamed fills in a reference that a named context answers; false when
// there is none, or it is a folder.
func (r *resolver) fromNamed(ref *Ref) bool {
	name, found := r.named(ref.Name)
	if !found {
		return false
	}
	ref.Under, ref.Name = name, r.contexts[name]
	var err error
	if ref.Named, err = r.file.named(ref.Name); err != nil {
		r.mistake(RuleRef, ref.Pos, "write a reference, or ./ and a folder, under contexts: in image.yaml", "%q cannot name an image: %s", ref.Name, message(err))
		return true
	}
	ref.Context = name
	if ref.Platform != r.platform {
		ref.Context += "::" + ref.Platform
	}
	return true
}

// fromContext notes the named context that a stage begins with, or that takes
// its place.
func (r *resolver) fromContext(s *resolvedStage, pos diag.Pos) {
	if folder, isFolder := folderContext(r.contexts[s.context]); isFolder {
		// What becomes of the files of a stage is not followed: all of them count.
		r.reads = append(r.reads, Read{Source: ".", From: s.context, Folder: folder, Pos: pos, By: "FROM"})
		return
	}
	ref := Ref{Name: s.context, Platform: s.platform, Kind: RefFrom, Pos: pos}
	if r.fromNamed(&ref) && ref.Named != nil {
		r.out.Refs = append(r.out.Refs, ref)
	}
}

// replaced notes what BuildKit asks for although a named context takes the
// stage's place: it looks at what the instructions need before it drops them.
func (r *resolver) replaced(s *resolvedStage) {
	for j, in := range s.body {
		kind := RefMount
		if len(s.deps[j]) > 0 && in.node.Value == "copy" {
			kind = RefCopy
		}
		r.images(s, in, kind, s.deps[j])
		for _, d := range s.deps[j] {
			// A folder must be there, though nothing in it is read.
			if name, folder, found := r.folderOf(d); found {
				r.reads = append(r.reads, Read{Source: ".", From: name, Folder: folder, Pos: r.file.pos(in.node), By: strings.ToUpper(in.node.Value)})
			}
		}
	}
}

// mistake reports what makes a build fail, but no plan wrong: an error in CI,
// a warning on a desk.
func (r *resolver) mistake(rule string, pos diag.Pos, hint, format string, args ...any) {
	add := r.list.Warnf
	if r.o.CI {
		add = r.list.Errorf
	}
	add(rule, pos, hint, format, args...)
}
