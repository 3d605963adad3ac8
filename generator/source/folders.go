package source

import (
	"cmp"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// folders is the tree by folder: the files of each that can describe or build
// an image, which folders there are, and the links.
type folders struct {
	tree  model.Tree
	files map[string][]string // folder -> the names of interest in it, sorted; "." is the root
	dirs  []string            // sorted
	links []string            // symlinks, sorted
}

// listFolders lists a tree. more are further names of interest.
func listFolders(tree model.Tree, more pattern) folders {
	f := folders{tree: tree, files: map[string][]string{".": nil}}
	last := "."
	for _, e := range tree.Entries() {
		dir, name := ".", e.Path
		if i := strings.LastIndexByte(e.Path, '/'); i >= 0 {
			dir, name = e.Path[:i], e.Path[i+1:]
		}
		if dir != last {
			f.add(dir)
			last = dir
		}
		if e.Mode == model.ModeSymlink {
			f.links = append(f.links, e.Path)
		}
		if interesting(name) || slices.ContainsFunc(more, func(c component) bool { return c.fits(name) }) {
			f.files[dir] = append(f.files[dir], name)
		}
	}
	f.dirs = sortedKeys(f.files)
	return f
}

// add notes a folder and those above it.
func (f *folders) add(dir string) {
	for {
		if _, known := f.files[dir]; known {
			return
		}
		f.files[dir] = nil
		dir = path.Dir(dir)
	}
}

func interesting(name string) bool {
	return name == imageFileName || name == otherFileName || usualName(name) || suffixOf(name) != ""
}

// ignoreSuffix ends the name of the file that says what one build file does not
// read: Dockerfile.dockerignore is for Dockerfile.
const ignoreSuffix = ".dockerignore"

func usualName(name string) bool { return name == "Dockerfile" || name == "Containerfile" }

// suffixOf is what tells a build file from the usual one of its folder: "gpu"
// in Dockerfile.gpu and gpu.Dockerfile. It is empty for any other file.
func suffixOf(name string) string {
	for _, usual := range []string{"Dockerfile", "Containerfile"} {
		switch rest, found := strings.CutPrefix(name, usual+"."); {
		case found && !strings.HasSuffix(name, ignoreSuffix):
			return rest
		case !found:
			if rest, found := strings.CutSuffix(name, "."+usual); found {
				return rest
			}
		}
	}
	return ""
}

// suffixOrName is what a build file is called beside others; empty for the
// usual ones.
func suffixOrName(name string) string {
	if usualName(name) || name == "dockerfile" {
		return "" // BuildKit takes the small letters for the usual name, too
	}
	return orDefault(suffixOf(name), name)
}

func (f folders) has(dir string) bool { _, ok := f.files[dir]; return ok }

// exists tells whether path is a file or a folder of the tree.
func (f folders) exists(p string) bool {
	if f.has(p) {
		return true
	}
	_, ok := f.tree.Lookup(p)
	return ok
}

// buildFiles lists what could be built in dir, the usual names first.
func (f folders) buildFiles(dir string) []string {
	var out []string
	for _, n := range f.files[dir] {
		if usualName(n) || suffixOf(n) != "" {
			out = append(out, n)
		}
	}
	slices.SortStableFunc(out, func(a, b string) int { return cmp.Compare(rank(a), rank(b)) })
	return out
}

func rank(name string) int {
	switch name {
	case "Dockerfile":
		return 0
	case "Containerfile":
		return 1
	}
	return 2
}

func (f folders) described(dir string) bool { return slices.Contains(f.files[dir], imageFileName) }

// candidate is what a root takes for an image: a folder, or one build file of
// a folder.
type candidate struct {
	dir   string
	file  string // name of the build file; empty is for image.yaml to say, else the usual one
	by    *root  // the rule
	empty bool   // the folder has neither a build file nor a description
	named
}

// path is what an image can be called where its own name is taken.
func (c candidate) path(fleet string) string {
	rel, _ := model.Relative(fleet, c.dir)
	if suffix := suffixOrName(c.file); suffix != "" {
		if rel == "." {
			return suffix
		}
		rel += "/" + suffix
	}
	if rel == "." {
		return ""
	}
	return rel
}

// rule is a root with its patterns taken apart.
type rule struct {
	root
	pattern pattern
	files   pattern // one for each of Dockerfiles
	exclude []glob
}

func compileRoot(r root) rule {
	out := rule{root: r, exclude: compileGlobs(r.Exclude)}
	if r.Pattern != "" {
		out.pattern = compilePattern(r.Pattern)
	}
	for _, d := range r.Dockerfiles {
		out.files = append(out.files, compileComponent(d))
	}
	return out
}

// folder tells whether a path is a folder that the rule is about, and what it
// names.
func (r rule) folder(dir string) (named, bool) {
	rel, below := model.Relative(r.Root.Root, dir)
	if !below {
		return named{}, false
	}
	parts := strings.Split(rel, "/")
	if hidden(parts) || excluded(parts, r.exclude) {
		return named{}, false
	}
	switch {
	case r.pattern != nil && rel == ".":
		return r.pattern.match(nil)
	case r.pattern != nil:
		return r.pattern.match(parts)
	case rel == "." && dir != ".":
		return named{name: path.Base(dir)}, true
	case rel == ".":
		return named{}, true
	}
	return named{name: rel}, true
}

// find lists what r means, sorted by folder.
func (f folders) find(r rule) []candidate {
	out := make([]candidate, 0, len(f.dirs)) // mostly one of each
	for _, dir := range f.dirs {
		n, ok := r.folder(dir)
		if !ok {
			continue
		}
		c := candidate{dir: dir, by: &r.root, named: n}
		switch {
		case len(r.files) > 0:
			out = append(out, f.chosen(c, r)...)
		case r.pattern != nil:
			c.empty = len(f.files[dir]) == 0
			out = append(out, c)
		default:
			out = append(out, f.each(c)...)
		}
	}
	return out
}

// chosen are the build files of a folder that the rule names. The first that
// fits a file says what it is called. Where it could be one of several, and
// nothing says which, the file's name does.
func (f folders) chosen(c candidate, r rule) []candidate {
	var out []candidate
	for _, glob := range r.files {
		for _, name := range f.files[c.dir] {
			if strings.HasSuffix(name, ignoreSuffix) || !glob.fits(name) || slices.ContainsFunc(out, func(o candidate) bool { return o.file == name }) {
				continue
			}
			one := c
			one.file = name
			one.named = glob.names(name).with(c.named)
			if says := suffixOrName(name); says != "" && glob.names(name) == (named{}) && (glob.forms != nil || len(r.files) > 1) {
				if r.pattern == nil {
					one.name = strings.TrimPrefix(c.name+"/"+says, "/")
				} else {
					one.variant = says
				}
			}
			out = append(out, one)
		}
	}
	if out == nil && f.described(c.dir) {
		out = append(out, c)
	}
	return out
}

// each is a folder without a pattern: what image.yaml describes is one image,
// otherwise each build file is.
func (f folders) each(c candidate) []candidate {
	if f.described(c.dir) {
		return []candidate{c}
	}
	var out []candidate
	for i, name := range f.buildFiles(c.dir) {
		one := c
		one.file = name
		switch {
		case !usualName(name):
			one.name = strings.TrimPrefix(c.name+"/"+suffixOf(name), "/")
		case i > 0:
			continue // a Containerfile beside a Dockerfile is mostly the same
		}
		out = append(out, one)
	}
	return out
}

// hidden tells whether a part of the path begins with a dot: such folders
// belong to tools.
func hidden(parts []string) bool {
	return slices.ContainsFunc(parts, func(s string) bool { return len(s) > 1 && s[0] == '.' })
}
