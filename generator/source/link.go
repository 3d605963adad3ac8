package source

import (
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What is wrong with a link.
var (
	errLeaves  = errors.New("leads out of the repository")
	errLoops   = errors.New("leads back to itself")
	errNowhere = errors.New("leads to nothing that is in the repository")
)

// maxHops is the most links that are followed for one path, as on Linux.
const maxHops = 40

// resolve follows every link in a path. What it returns is a file or a folder
// of the tree.
func (l *loader) resolve(p string) (string, error) {
	done, rest := ".", strings.Split(p, "/")
	for hops := 0; len(rest) > 0; {
		part := rest[0]
		rest = rest[1:]
		switch part {
		case "", ".":
			continue
		case "..":
			if done == "." {
				return "", errLeaves
			}
			done = path.Dir(done)
			continue
		}
		next := path.Join(done, part)
		e, found := l.tree.Lookup(next)
		if !found || e.Mode != model.ModeSymlink {
			done = next
			continue
		}
		if hops++; hops > maxHops {
			return "", errLoops
		}
		text, err := l.tree.Read(l.ctx, next)
		switch {
		case err != nil && !errors.Is(err, fs.ErrNotExist):
			return "", fmt.Errorf("reading the link %s: %w", next, err)
		case err != nil:
			return "", errNowhere
		case strings.HasPrefix(string(text), "/"):
			return "", errLeaves
		}
		rest = slices.Concat(strings.Split(string(text), "/"), rest)
	}
	if !l.folders.exists(done) {
		return "", errNowhere
	}
	return done, nil
}

// links makes aliases of the links that lead to images' folders.
func (l *loader) links(rules []rule) error {
	byDir := make([]int, len(l.images)) // indexes of images, by folder
	for i := range byDir {
		byDir[i] = i
	}
	slices.SortStableFunc(byDir, func(a, b int) int { return strings.Compare(l.images[a].Dir, l.images[b].Dir) })
	for _, link := range l.folders.links {
		if !slices.ContainsFunc(rules, func(r rule) bool { return r.reaches(link) }) {
			continue
		}
		to, err := l.resolve(link)
		switch {
		case errors.Is(err, errLeaves), errors.Is(err, errLoops), errors.Is(err, errNowhere):
			l.badLink(rules, link, err)
			continue
		case err != nil:
			return err
		case !l.folders.has(to) || to == "." || strings.HasPrefix(link, to+"/"):
			continue // a file, or a folder that the link itself lies in
		}
		first, _ := slices.BinarySearchFunc(byDir, to, func(i int, to string) int { return strings.Compare(l.images[i].Dir, to) })
		for _, i := range byDir[first:] {
			rest, below := strings.CutPrefix(l.images[i].Dir, to)
			if !below {
				break
			}
			if rest == "" || rest[0] == '/' {
				l.alias(rules, link+rest, &l.images[i])
			}
		}
	}
	slices.SortFunc(l.aliases, func(a, b model.Alias) int {
		if c := strings.Compare(a.Dir, b.Dir); c != 0 {
			return c
		}
		return a.Node.Compare(b.Node)
	})
	return nil
}

// reaches tells whether a link, or what lies below it, can be a folder of the
// rule.
func (r rule) reaches(link string) bool {
	rel, below := model.Relative(r.Root.Root, link)
	if !below {
		return false
	}
	parts := strings.Split(rel, "/")
	return !hidden(parts) && !excluded(parts, r.exclude)
}

// alias notes what an image is called at another place.
func (l *loader) alias(rules []rule, dir string, image *model.Image) {
	for _, r := range rules {
		n, ok := r.folder(dir)
		if !ok {
			continue
		}
		name := shortened(model.Slug(strings.ReplaceAll(n.name, "/", "-")), dir)
		if name == "" {
			name = image.ID // the build file alone says it
		}
		l.aliases = append(l.aliases, model.Alias{Dir: dir, Image: name, Tag: tagOf(n.tag), Node: image.Node()})
		return
	}
}

// badLink reports a link that would name an image if it led to one. Links
// inside an image's folder are for the image alone.
func (l *loader) badLink(rules []rule, link string, err error) {
	for _, r := range rules {
		n, ok := r.folder(link)
		if !ok || r.pattern == nil || path.Ext(n.name) != "" || model.CheckImageName(n.name) != nil {
			continue
		}
		l.list.Warnf(RuleNotRead, diag.Pos{File: link}, "let it lead to an image's folder in this repository, or list it under exclude", "the link %s: it names no image", err)
		return
	}
}
