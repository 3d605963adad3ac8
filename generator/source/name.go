package source

import (
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// node is an image while its names are not settled.
type node struct {
	model.Image
	path     string   // what the image is called where its name is taken
	derived  bool     // the id follows from the path
	idAt     diag.Pos // of the id
	imageAt  diag.Pos // of the repository
	nameless bool     // its repository is wrong already
}

// rootName is what the image in the root of the repository is called where it
// says nothing itself: the name of a clone's folder is anybody's choice.
const rootName = "root"

// name settles what an image is called, but for names that others have too.
func (l *loader) name(n *node, c cell, f *file, from candidate) bool {
	i, d := &n.Image, c.d
	where := diag.Pos{File: from.dir}
	if f.described {
		where.File = f.path
	} else if files := l.folders.buildFiles(from.dir); from.file != "" || len(files) > 0 {
		where.File = path.Join(from.dir, orDefault(from.file, slices.Concat(files, []string{""})[0]))
	}
	n.path, n.idAt, n.imageAt = from.path(l.dir), d.at("id", where), d.at("image_name", where)
	if d.keys["id"].bad || !l.tags(i, c, f, from, where) {
		return false
	}
	if i.ID == "" {
		n.derived = true
		if i.ID = shortened(model.Slug(strings.ReplaceAll(orDefault(from.name, rootName), "/", "-")), n.path); i.ID == "" {
			l.noName(from, where)
			return false
		}
	}
	n.nameless = d.keys["image_name"].bad
	return true
}

// tags settles tag and variant.
func (l *loader) tags(i *model.Image, c cell, f *file, from candidate, where diag.Pos) bool {
	i.Tag, i.Variant = tagOf(from.tag), tagOf(from.variant)
	if from.tag != "" && i.Tag == "" || from.variant != "" && i.Variant == "" {
		l.list.Errorf(RuleNoName, where, "rename it", "neither letter nor digit of %q can be a tag", orDefault(from.tag, from.variant))
		return false
	}
	if c.tag != "" {
		i.Tag, i.ComponentVersion = c.tag, c.tag
	}
	if c.variant != "" {
		i.Variant = strings.TrimPrefix(i.Variant+"-"+c.variant, "-")
	}
	if err := model.CheckTag(orDefault(i.Variant, "x")); err != nil {
		f.errorf(RuleBadValue, orPos(c.pos, where), "shorten the suffixes", "the variant is an invalid tag: %s", err)
		return false
	}
	i.ComponentVersion = orDefault(i.ComponentVersion, orDefault(i.Tag, "0"))
	return true
}

func orPos(pos, or diag.Pos) diag.Pos {
	if pos.File == "" && pos.Line == 0 {
		return or
	}
	return pos
}

func (l *loader) noName(from candidate, where diag.Pos) {
	l.list.Errorf(RuleNoName, where, "rename the folder, or set id in "+path.Join(from.dir, imageFileName), "the folder's name %q cannot be an image's: it has neither letters nor digits", from.name)
}

// tagOf makes s a valid tag; it is empty when nothing of s can be in one.
func tagOf(s string) string {
	tag := strings.Map(func(r rune) rune {
		switch {
		case r >= 'a' && r <= 'z', r >= 'A' && r <= 'Z', r >= '0' && r <= '9', r == '_', r == '.', r == '-':
			return r
		}
		return '-'
	}, s)
	tag = strings.TrimLeft(tag, ".-")
	return tag[:min(len(tag), model.MaxTag)]
}

// shortened cuts a name that is too long, and ends it with what tells it from
// others that begin alike.
func shortened(name, of string) string {
	if len(name) <= model.MaxImageName {
		return name
	}
	return ended(name, of)
}

func ended(name, of string) string {
	const hash = 10
	name = name[:min(len(name), model.MaxImageName-hash-1)]
	return strings.TrimRight(name, "._-") + "-" + model.DigestOf([]byte(of)).Hex()[:hash]
}

// settle gives images with one name longer ones, where the names follow from
// their folders, and reports the others.
func (l *loader) settle(nodes []node) {
	if lengthen(nodes, func(n *node) string {
		return shortened(model.Slug(strings.ReplaceAll(n.path, "/", "-")), n.path)
	}) {
		lengthen(nodes, func(n *node) string { return ended(n.ID, n.Dir+"\x00"+n.Dockerfile) })
	}
	l.images = slices.Grow(l.images, len(nodes))
	taken := make(map[model.TargetID]*node, len(nodes))
	repositories, versions := make(map[string]*node, len(nodes)), make(map[string]*node, len(nodes))
	for i := range nodes {
		n := &nodes[i]
		n.Label = orDefault(n.Label, n.ID)
		n.ImageName = orDefault(n.ImageName, n.ID)
		if first, twice := taken[n.Node()]; twice {
			l.list.Errorf(RuleDuplicateImage, n.idAt, "", "id %q is taken already, at %s", n.ID, first.idAt)
			continue // its repository follows from the id, or is the smaller mistake
		}
		taken[n.Node()] = n
		if n.nameless {
			continue
		}
		published := n.ImageName + ":" + n.publishedTag()
		other, known := repositories[n.ImageName]
		if first, twice := versions[published]; twice && other.ID == n.ID {
			l.list.Errorf(RuleDuplicateImage, n.idAt, "rename one of them", "%s is taken already, at %s: tag and variant are published as one tag", published, first.idAt)
			continue
		}
		versions[published] = n
		switch {
		case !known:
			repositories[n.ImageName] = n
		case other.ID != n.ID:
			l.list.Errorf(RuleDuplicateImage, n.imageAt, "", "image_name %q is taken already, at %s", n.ImageName, other.imageAt)
			continue
		}
		l.images = append(l.images, n.Image)
	}
}

// lengthen gives other names to all images whose name is another's too, but
// for a name that somebody wrote: that is a mistake. It tells whether there
// are such names.
func lengthen(nodes []node, name func(*node) string) bool {
	first, shared := make(map[model.TargetID]*node, len(nodes)), map[model.TargetID][]*node{}
	for i := range nodes {
		n := &nodes[i]
		id := n.Node()
		switch before := first[id]; {
		case before == nil:
			first[id] = n
		case shared[id] == nil:
			shared[id] = []*node{before, n}
		default:
			shared[id] = append(shared[id], n)
		}
	}
	for _, of := range shared {
		if slices.ContainsFunc(of, func(n *node) bool { return !n.derived }) {
			continue
		}
		for _, n := range of {
			n.ID = orDefault(name(n), n.ID)
		}
	}
	return len(shared) > 0
}

// publishedTag is what the image's versions begin with.
func (n *node) publishedTag() string {
	if n.Variant == "" {
		return n.Node().Tag
	}
	return n.Node().Tag + "-" + n.Variant
}
