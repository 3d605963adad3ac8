package graph

import (
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// rule is one of the settings' references, compiled.
type rule struct {
	model.Reference
	match *regexp.Regexp
}

func (n *names) rule(references []model.Reference) {
	for _, r := range references {
		match, err := source.CompileMatch(r.Match)
		if err != nil {
			continue // the settings have been refused for it
		}
		n.rules = append(n.rules, rule{r, match})
	}
	if len(n.rules) == 0 {
		return
	}
	for p := range n.folders {
		n.paths = append(n.paths, p)
	}
	for p := range n.files {
		n.paths = append(n.paths, p)
	}
	slices.Sort(n.paths)
	n.paths = slices.Compact(n.paths)
}

// byRule is what the first rule that fits says; false where none does.
func (n *names) byRule(ref, tag string, isDigest bool) (meaning, bool) {
	whole := ref
	if tag == "" && !isDigest {
		whole += ":latest"
	}
	for i, r := range n.rules {
		groups := r.match.FindStringSubmatch(whole)
		if groups == nil {
			continue
		}
		m := n.follow(r, groups, tag)
		m.ruled = true
		switch {
		case m.image != nil && isDigest:
			m = meaning{ruled: true, note: "the digest is fixed: the image of this fleet has another with each build"}
		case m.note != "":
			m.note = fmt.Sprintf("rule %d of references fits, and %s", i+1, m.note)
		}
		return m, true
	}
	return meaning{}, false
}

// follow finds the first folder of a rule that is there.
func (n *names) follow(r rule, groups []string, tag string) meaning {
	if len(r.Folders) == 0 {
		return meaning{note: "names no folder"}
	}
	var tried []string
	for _, template := range r.Folders {
		p, ok := fill(r, template, groups)
		if !ok {
			continue
		}
		if !slices.Contains(tried, p) {
			tried = append(tried, p)
		}
		found, there := n.at(p)
		if len(found) > 0 {
			return choose(found, p, tag)
		}
		if there {
			return meaning{note: fmt.Sprintf("%s is no image's folder", p)}
		}
	}
	return meaning{note: "there is no " + strings.Join(tried, ", no ")}
}

// fill puts what the groups matched into a folder of a rule. It is false for
// what is no path then.
func fill(r rule, template string, groups []string) (string, bool) {
	var b strings.Builder
	for template != "" {
		before, rest, found := strings.Cut(template, "{")
		b.WriteString(before)
		if !found {
			break
		}
		var name string
		name, template, _ = strings.Cut(rest, "}")
		value := ""
		for i, g := range r.match.SubexpNames() {
			if g == name && groups[i] != "" {
				value = groups[i]
			}
		}
		if mapped, found := r.Map[name][value]; found {
			value = mapped
		}
		b.WriteString(value)
	}
	p := b.String()
	if model.CheckPath(p) != nil {
		return "", false
	}
	return path.Clean(p), true
}

// at are the images at a path, which may hold "*". there tells whether the
// tree has something else there.
func (n *names) at(p string) (found []*model.Image, there bool) {
	before, _, wild := strings.Cut(p, "*")
	if !wild {
		if found = n.folders[p]; found == nil {
			found = n.files[p]
		}
		return found, found == nil && n.exists(p)
	}
	before = before[:strings.LastIndexByte(before, '/')+1]
	want := strings.Split(p, "/")
	i, _ := slices.BinarySearch(n.paths, before)
	for ; i < len(n.paths) && strings.HasPrefix(n.paths[i], before); i++ {
		if fits(want, n.paths[i]) {
			found, _ = n.at(n.paths[i])
			return found, false
		}
	}
	return nil, false
}

func fits(want []string, p string) bool {
	for i, w := range want {
		part, rest, more := strings.Cut(p, "/")
		if more != (i < len(want)-1) {
			return false
		}
		if w != part {
			if ok, err := path.Match(w, part); err != nil || !ok {
				return false
			}
		}
		p = rest
	}
	return true
}

// exists tells whether the tree has a file or a folder at p.
func (n *names) exists(p string) bool {
	entries := n.tree.Entries()
	if _, isFile := n.tree.Lookup(p); isFile {
		return true
	}
	i, _ := slices.BinarySearchFunc(entries, p+"/", func(e model.TreeEntry, p string) int { return strings.Compare(e.Path, p) })
	return i < len(entries) && strings.HasPrefix(entries[i].Path, p+"/")
}

// choose picks one of the nodes of a folder: the one with the reference's tag,
// the only one, or the one of the plain Dockerfile.
func choose(found []*model.Image, p, tag string) meaning {
	var all []called
	for _, image := range found {
		all = append(all, called{image.Node().Tag, image})
	}
	if tag != "" && len(found) > 1 {
		if image := tagged(all, tag); image != nil {
			return meaning{image: image}
		}
	}
	for _, fits := range []func(called) bool{
		func(called) bool { return true },
		func(c called) bool {
			name := path.Base(c.image.Dockerfile)
			return name == "Dockerfile" || name == "Containerfile"
		},
		func(c called) bool { return c.image.Variant == "" },
	} {
		if image := only(all, fits); image != nil {
			return meaning{image: image}
		}
	}
	return meaning{
		unknown: fmt.Sprintf("a rule of references leads to %s, which holds several images: %s", p, strings.Join(tagsOf(all), ", ")),
		hint:    "name the build file in folder, or put its tag or variant into the reference",
	}
}
