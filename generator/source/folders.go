package source

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// folders is the tree by folder: the names of the files in each, and which
// folders there are.
type folders struct {
	tree  model.Tree
	files map[string][]string // folder -> its files' names, sorted; "." is the root
}

func listFolders(tree model.Tree) folders {
	f := folders{tree: tree, files: map[string][]string{".": nil}}
	for _, e := range tree.Entries() {
		dir, name := path.Split(e.Path)
		dir = path.Clean(dir)
		if _, known := f.files[dir]; !known {
			for p := path.Dir(dir); ; p = path.Dir(p) {
				if _, known := f.files[p]; known {
					break
				}
				f.files[p] = nil
			}
		}
		f.files[dir] = append(f.files[dir], name)
	}
	return f
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
	var usual, others []string
	for _, n := range f.files[dir] {
		switch {
		case n == "Dockerfile":
			usual = append([]string{n}, usual...)
		case n == "Containerfile":
			usual = append(usual, n)
		case strings.HasSuffix(n, ".dockerignore"):
		case strings.HasPrefix(n, "Dockerfile."), strings.HasPrefix(n, "Containerfile."), strings.HasSuffix(n, ".Dockerfile"), strings.HasSuffix(n, ".Containerfile"):
			others = append(others, n)
		}
	}
	return append(usual, others...)
}

// candidate is a folder that a root takes for an image.
type candidate struct {
	dir  string
	name string // by the root's rule; empty where it gives none
}

// find lists the folders that r means, sorted.
func (f folders) find(r model.Root) []candidate {
	var out []candidate
	for dir := range f.files {
		rel, below := relative(r.Root, dir)
		if !below || hidden(rel) || excluded(rel, r.Exclude) {
			continue
		}
		if r.Pattern == "" {
			if len(f.buildFiles(dir)) > 0 || slices.Contains(f.files[dir], imageFileName) {
				out = append(out, candidate{dir: dir, name: pathName(rel)})
			}
			continue
		}
		if name, ok := matchFolder(r.Pattern, rel); ok {
			out = append(out, candidate{dir: dir, name: name})
		}
	}
	slices.SortFunc(out, func(a, b candidate) int { return strings.Compare(a.dir, b.dir) })
	return out
}

// links lists what lies where r looks for images and is a link, sorted. Git
// does not say whether it leads to a folder; a file's link has an extension or
// another name than an image may have.
func (f folders) links(r model.Root) []string {
	var out []string
	for _, e := range f.tree.Entries() {
		if e.Mode != model.ModeSymlink || r.Pattern == "" {
			continue
		}
		rel, below := relative(r.Root, e.Path)
		if !below || hidden(rel) || excluded(rel, r.Exclude) {
			continue
		}
		if name, ok := matchFolder(r.Pattern, rel); ok && model.CheckImageName(name) == nil && path.Ext(name) == "" {
			out = append(out, e.Path)
		}
	}
	return out
}

// relative is dir as seen from root; false where it lies elsewhere.
func relative(root, dir string) (string, bool) {
	switch {
	case root == ".":
		return dir, true
	case dir == root:
		return ".", true
	}
	return strings.CutPrefix(dir, root+"/")
}

// hidden tells whether a part of the path begins with a dot: such folders
// belong to tools.
func hidden(rel string) bool {
	for part := range strings.SplitSeq(rel, "/") {
		if len(part) > 1 && part[0] == '.' {
			return true
		}
	}
	return false
}

// excluded tells whether one of the globs matches rel or a folder above it.
func excluded(rel string, globs []string) bool {
	parts := strings.Split(rel, "/")
	for _, g := range globs {
		for n := 1; n <= len(parts); n++ {
			if matchParts(strings.Split(cleanPath(g), "/"), parts[:n]) {
				return true
			}
		}
	}
	return false
}

// matchParts matches folder by folder; "**" stands for any number of them.
func matchParts(glob, parts []string) bool {
	for len(glob) > 0 {
		if glob[0] == "**" {
			for n := range len(parts) + 1 {
				if matchParts(glob[1:], parts[n:]) {
					return true
				}
			}
			return false
		}
		if len(parts) == 0 {
			return false
		}
		if ok, err := path.Match(glob[0], parts[0]); err != nil || !ok {
			return false
		}
		glob, parts = glob[1:], parts[1:]
	}
	return len(parts) == 0
}

// pathName is the name of an image without a pattern: its path with "-" for
// "/"; none for the root itself.
func pathName(rel string) string {
	if rel == "." {
		return ""
	}
	return strings.ReplaceAll(rel, "/", "-")
}

const namePlaceholder = "{name}"

// checkFolderPattern tells why s cannot say which folders are images.
func checkFolderPattern(s string) error {
	if err := model.CheckPath(s); err != nil {
		return err
	}
	if strings.Count(s, namePlaceholder) != 1 {
		return fmt.Errorf("invalid pattern %q: expected %s once", s, namePlaceholder)
	}
	for part := range strings.SplitSeq(strings.Replace(s, namePlaceholder, "x", 1), "/") {
		if strings.ContainsAny(part, `{}[]?\`) || part != "*" && strings.Contains(part, "*") {
			return fmt.Errorf("invalid pattern %q: only %s and * as a whole folder stand for names", s, namePlaceholder)
		}
	}
	return nil
}

// matchFolder matches a folder with a checked pattern and returns its name.
func matchFolder(pattern, rel string) (name string, ok bool) {
	want, have := strings.Split(pattern, "/"), strings.Split(rel, "/")
	if len(want) != len(have) || rel == "." {
		return "", false
	}
	for i, w := range want {
		before, after, placeholder := strings.Cut(w, namePlaceholder)
		switch {
		case placeholder:
			n := len(have[i]) - len(before) - len(after)
			if n < 1 || !strings.HasPrefix(have[i], before) || !strings.HasSuffix(have[i], after) {
				return "", false
			}
			name = have[i][len(before) : len(before)+n]
		case w != "*" && w != have[i]:
			return "", false
		}
	}
	return name, true
}
