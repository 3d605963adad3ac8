package proposal

import (
	"context"
	"fmt"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// noise are folders that hold other people's build files, or examples.
var noise = []string{
	"doc", "docs", "documentation", "example", "examples", "e2e", "fixtures", "node_modules", "sample", "samples",
	"test", "testdata", "tests", "third_party", "vendor",
}

// templates are ends of names that build files' templates and copies have.
var templates = []string{
	"bak", "disabled", "em", "erb", "in", "j2", "jinja", "jinja2", "jinja2-e", "md", "orig", "patch", "py", "rej", "sh", "swp", "template", "tmpl", "tpl", "txt",
}

// survey is what a tree holds.
type survey struct {
	tree    model.Tree
	dirs    map[string]bool // every folder
	sites   []*site         // build files that can be images, sorted by path
	bad     map[string]bool // names of build files that cannot
	left    map[string]string
	noisy   map[string]int // folders that are noise, and their build files
	aliases []model.Alias
}

// site is a build file, or the description of an image without one.
type site struct {
	path, dir string
	name      string // of the file; "image.yaml" where nothing else is there
	file      *dockerfile.File
	refs      []string
	unset     []string
}

// ref is a reference and who has it.
type ref struct {
	name string
	in   []*site
}

// isNoise tells whether a folder of this name holds what nobody builds.
func isNoise(name string) bool {
	return slices.Contains(noise, name) || strings.Contains(name, "template")
}

// look reads every build file of a tree.
func look(ctx context.Context, tree model.Tree) (*survey, error) {
	s := &survey{tree: tree, dirs: map[string]bool{".": true}, bad: map[string]bool{}, left: map[string]string{}, noisy: map[string]int{}}
	described := map[string]bool{}
	var files []model.TreeEntry
	for _, e := range tree.Entries() {
		for dir := path.Dir(e.Path); !s.dirs[dir]; dir = path.Dir(dir) {
			s.dirs[dir] = true
		}
		name := path.Base(e.Path)
		switch {
		case e.Mode == model.ModeGitlink:
		case hidden(e.Path):
			if isBuildFile(name) {
				s.left[e.Path] = "folders and files that begin with a dot belong to tools"
			}
		case name == "image.yaml":
			described[path.Dir(e.Path)] = true
			files = append(files, e)
		case isBuildFile(name):
			files = append(files, e)
		}
	}
	for _, e := range files {
		if err := s.add(ctx, e, described[path.Dir(e.Path)]); err != nil {
			return nil, err
		}
	}
	s.onceEach(described)
	for folder, n := range s.noisy {
		files := "1 build file"
		if n > 1 {
			files = fmt.Sprintf("%d build files", n)
		}
		s.left[folder+"/"] = files + ": what lies in a folder called " + path.Base(folder) + " is mostly not for building"
	}
	return s, nil
}

// add reads one build file, and leaves it out where it cannot be meant.
func (s *survey) add(ctx context.Context, e model.TreeEntry, described bool) error {
	one := &site{path: e.Path, dir: path.Dir(e.Path), name: path.Base(e.Path)}
	if i := slices.IndexFunc(strings.Split(one.dir, "/"), func(p string) bool { return isNoise(strings.ToLower(p)) }); i >= 0 && !described {
		folder := strings.Join(strings.Split(one.dir, "/")[:i+1], "/")
		s.noisy[folder]++
		s.bad[folder+"/"] = true
		return nil
	}
	switch end := path.Ext(one.name); {
	case one.name == "image.yaml":
		s.sites = append(s.sites, one)
		return nil
	case slices.Contains(templates, strings.ToLower(strings.TrimPrefix(end, "."))):
		s.left[e.Path] = "it looks like a template or a copy of a build file"
		s.bad[one.name] = true
		return nil
	case strings.HasSuffix(one.name, ".dockerfile"):
		s.left[e.Path] = "its name is not that of a build file: list it under dockerfiles if it is one"
		return nil
	case one.dir == "." && !described:
		s.left[e.Path] = "what lies in the root of a repository is mostly not for a fleet: take its folder, \".\", out of exclude if it is"
		return nil
	}
	content, err := s.tree.Read(ctx, e.Path)
	if err != nil {
		return fmt.Errorf("reading %s: %w", e.Path, err)
	}
	if e.Mode == model.ModeSymlink {
		s.sites = append(s.sites, one)
		return nil
	}
	file, list := dockerfile.Parse(e.Path, content)
	if file == nil {
		s.left[e.Path] = "it cannot be read: " + list.Sorted()[0].Message
		if usual(one.name) {
			s.bad[one.dir+"/."] = true
		} else {
			s.bad[one.name] = true
		}
		return nil
	}
	one.file = file
	one.unset = file.Unset(dockerfile.Options{Platform: model.LinuxAMD64})
	s.sites = append(s.sites, one)
	return nil
}

// onceEach drops the build files that are no images of their own: those beside
// a description, and a Containerfile beside a Dockerfile.
func (s *survey) onceEach(described map[string]bool) {
	has := map[string]bool{}
	for _, one := range s.sites {
		has[one.path] = true
	}
	s.sites = slices.DeleteFunc(s.sites, func(one *site) bool {
		switch {
		case one.name == "Containerfile":
			return has[path.Join(one.dir, "Dockerfile")]
		case one.name == "image.yaml":
			return has[path.Join(one.dir, "Dockerfile")] || has[path.Join(one.dir, "Containerfile")]
		case one.name == "dockerfile":
			return has[path.Join(one.dir, "Dockerfile")]
		case usual(one.name):
			return false
		}
		return described[one.dir]
	})
}

// resolve finds what the build files refer to, under the given arguments.
func (s *survey) resolve(args map[string]string) {
	for _, one := range s.sites {
		one.refs = nil
		if one.file == nil {
			continue
		}
		resolved, _ := one.file.Resolve(dockerfile.Options{Fallback: args, Platform: model.LinuxAMD64})
		for _, r := range resolved.Refs {
			if !slices.Contains(one.refs, r.Name) {
				one.refs = append(one.refs, r.Name)
			}
		}
	}
}

// references are all of them, sorted, with who has them.
func (s *survey) references() []ref {
	in := map[string][]*site{}
	for _, one := range s.sites {
		for _, r := range one.refs {
			in[r] = append(in[r], one)
		}
	}
	var out []ref
	for _, name := range sortedKeys(in) {
		out = append(out, ref{name, in[name]})
	}
	return out
}

func (s *survey) hasFolder(dir string) bool { return s.dirs[dir] }

// folders are those with a build file, sorted.
func (s *survey) folders() []string {
	set := map[string]bool{}
	for _, one := range s.sites {
		set[one.dir] = true
	}
	return sortedKeys(set)
}

// split takes a reference apart: what stands before the last name, that name,
// and the tag, "latest" where there is none. The default registry's name is
// left out of the prefix.
func (r ref) split() (prefix, last, tag string) {
	name, _, _ := strings.Cut(r.name, "@")
	tag = "latest"
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		name, tag = name[:i], name[i+1:]
	}
	prefix, last = path.Split(name)
	return strings.TrimSuffix(prefix, "/"), last, tag
}

func (r ref) last() string { _, last, _ := r.split(); return last }

func (r ref) digested() bool { return strings.Contains(r.name, "@") }

func usual(name string) bool { return name == "Dockerfile" || name == "Containerfile" }

// suffixless are the names that need nothing to tell them apart.
func suffixless(name string) bool { return usual(name) || name == "dockerfile" }

func isBuildFile(name string) bool {
	switch {
	case strings.HasSuffix(name, ".dockerignore"):
		return false
	case usual(name), name == "dockerfile":
		return true
	}
	for _, u := range []string{"Dockerfile", "Containerfile"} {
		if strings.HasPrefix(name, u+".") || strings.HasSuffix(name, "."+u) {
			return true
		}
	}
	return strings.HasSuffix(name, ".dockerfile")
}

func hidden(p string) bool {
	for part := range strings.SplitSeq(p, "/") {
		if len(part) > 1 && part[0] == '.' {
			return true
		}
	}
	return false
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }
