package proposal

import (
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The root that need not be written.
const (
	defaultRoot    = "images"
	defaultPattern = "{name}"
	tagPattern     = "{name}/{tag}"
)

// propose finds the roots.
func (d *draft) propose() {
	dirs := d.survey.folders()
	top := ancestor(dirs)
	groups := [][]string{dirs}
	if split := apart(dirs); top == "." && split != nil {
		groups = split
	}
	for _, group := range groups {
		d.Roots = append(d.Roots, d.root(group)...)
	}
	if len(d.Roots) != 1 || d.Roots[0].Root != defaultRoot || d.Roots[0].Pattern != defaultPattern || d.Roots[0].Exclude != nil || d.Roots[0].Dockerfiles != nil {
		d.listed = true
	}
}

// ancestor is the deepest folder that all dirs lie below; for one alone, the
// one that it lies in.
func ancestor(dirs []string) string {
	a := path.Dir(dirs[0])
	for _, d := range dirs {
		for a != "." && !strings.HasPrefix(d, a+"/") {
			a = path.Dir(a)
		}
	}
	return a
}

// homes are what people call the folder of all images.
var homes = []string{"build", "container", "containers", "docker", "dockerfiles", "images", "src"}

// apart splits folders by the first part of their paths, where that part holds
// images and says nothing about them: nil where it seems to name them.
func apart(dirs []string) [][]string {
	const most = 4 // parts; more of them are names
	groups := map[string][]string{}
	direct, flat := 0, 0
	for _, d := range dirs {
		first, rest, below := strings.Cut(d, "/")
		groups[first] = append(groups[first], d)
		switch {
		case !below:
			direct++
		case !strings.Contains(rest, "/"):
			flat++
		}
	}
	home := 0 // images in a folder whose name only says that there are some
	for first, group := range groups {
		if slices.Contains(homes, first) {
			home += len(group)
		}
	}
	if len(groups) < 2 || len(groups) > most || direct*4 > len(dirs) || flat*2 < len(dirs)-direct && home*10 < len(dirs)*8 {
		return nil
	}
	var out [][]string
	for _, first := range sortedKeys(groups) {
		out = append(out, groups[first])
	}
	return out
}

// root is the rule for folders that belong together; two where one is not
// enough.
func (d *draft) root(dirs []string) []model.Root {
	r := model.Root{Root: ancestor(dirs)}
	if len(dirs) == 1 && r.Root == "." {
		r.Root = dirs[0]
	}
	d.exclude(&r)
	flat, tags, versions := 0, 0, 0
	for _, dir := range dirs {
		rel, _ := model.Relative(r.Root, dir)
		name, tag, below := strings.Cut(rel, "/")
		switch {
		case name != "." && !below:
			flat++
		case below && !strings.Contains(tag, "/"):
			tags++
			if version.MatchString(tag) {
				versions++
			}
		}
	}
	d.buildFiles(&r, dirs)
	switch siblings := d.siblings(r.Root, dirs); {
	case flat == len(dirs) && r.Root != "." && len(siblings) <= 10 && d.plain(dirs):
		r.Pattern = defaultPattern
		for _, s := range siblings {
			if !slices.Contains(r.Exclude, s) {
				r.Exclude = append(r.Exclude, s)
			}
		}
		slices.Sort(r.Exclude)
	case tags >= 3 && tags*10 >= len(dirs)*6 && versions*10 >= tags*6:
		rest := r
		r.Pattern = tagPattern
		if tags < len(dirs) {
			return []model.Root{r, rest}
		}
	}
	return []model.Root{r}
}

// plain tells whether each folder has a build file of the usual name.
func (d *draft) plain(dirs []string) bool {
	has := map[string]bool{}
	for _, s := range d.survey.sites {
		if s.name == "image.yaml" || suffixless(s.name) {
			has[s.dir] = true
		}
	}
	return !slices.ContainsFunc(dirs, func(dir string) bool { return !has[dir] })
}

// version is how the folder of a tag is called.
var version = regexp.MustCompile(`^(v?[0-9].*|latest|stable|edge|testing|nightly|main|master|(alpine|debian|ubuntu|centos|fedora)([.0-9-].*)?)$`)

// siblings are the folders beside the images that hold none, below root.
func (d *draft) siblings(root string, dirs []string) []string {
	var out []string
	for dir := range d.survey.dirs {
		if dir == "." || path.Dir(dir) != root || hidden(dir) {
			continue
		}
		if !slices.ContainsFunc(dirs, func(o string) bool { return o == dir || strings.HasPrefix(o, dir+"/") }) {
			out = append(out, path.Base(dir))
		}
	}
	slices.Sort(out)
	return out
}

// exclude leaves out what was left out of the survey by its folder.
func (d *draft) exclude(r *model.Root) {
	for _, bad := range sortedKeys(d.survey.bad) {
		dir, isDir := strings.CutSuffix(bad, "/")
		if only, isOne := strings.CutSuffix(bad, "/."); isOne {
			dir, isDir = only, true
		}
		if !isDir {
			continue
		}
		if rel, below := model.Relative(r.Root, dir); below && !slices.Contains(r.Exclude, rel) {
			r.Exclude = append(r.Exclude, rel)
		}
	}
	for file := range d.left {
		if path.Dir(file) == "." && r.Root == "." && usual(file) && !slices.Contains(r.Exclude, ".") {
			r.Exclude = append(r.Exclude, ".")
		}
	}
	slices.Sort(r.Exclude)
}

// buildFiles lists the names of build files, where not all that look like one
// are.
func (d *draft) buildFiles(r *model.Root, dirs []string) {
	names, needed := map[string]bool{}, false
	for _, s := range d.survey.sites {
		if slices.Contains(dirs, s.dir) && s.name != "image.yaml" {
			names[s.name] = true
			needed = needed || s.name == "dockerfile"
		}
	}
	for file := range d.left {
		if _, below := model.Relative(r.Root, file); below && d.survey.bad[path.Base(file)] {
			needed = true
		}
	}
	if !needed {
		return
	}
	r.Dockerfiles = sortedKeys(names)
	slices.SortStableFunc(r.Dockerfiles, func(a, b string) int {
		switch {
		case usual(a) == usual(b):
			return 0
		case usual(a):
			return -1
		}
		return 1
	})
}
