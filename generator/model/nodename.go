package model

import (
	"slices"
	"strings"
)

// NodeNames gives each node a name that may stand in file names, job ids and
// arguments: the image's id where the image has one node, else the id with tag
// and variant. Platforms of the nodes are ignored. The names depend on the set
// of nodes alone, are valid as CheckImageName has it when the ids are, and no
// two are equal.
func NodeNames(nodes []TargetID) map[TargetID]string {
	names := map[TargetID]string{}
	count := map[string]int{}
	for _, n := range nodes {
		n = n.AllPlatforms()
		if _, seen := names[n]; !seen {
			names[n] = n.Image
			count[n.Image]++
		}
	}
	users := map[string]int{}
	for n := range names {
		if count[n.Image] > 1 {
			names[n] = nodeSlug(n)
		}
		users[names[n]]++
	}
	for n, name := range names {
		if count[n.Image] > 1 && (users[name] > 1 || len(name) > MaxImageName) {
			names[n] = hashed(name, n)
		}
	}
	return names
}

// nodeSlug is the parts of a node's name, joined and made plain.
func nodeSlug(n TargetID) string {
	s := n.Image + "-" + n.Tag
	if n.Variant != "" {
		s += "-" + n.Variant
	}
	return Slug(s)
}

// hashed ends a name with what tells its node from all others.
func hashed(name string, n TargetID) string {
	const hash = 10
	name = strings.TrimRight(name[:min(len(name), MaxImageName-hash-1)], "._-")
	return name + "-" + DigestOf([]byte(n.Node())).Hex()[:hash]
}

// Slug makes s a valid image name but for its length: letters become lower
// case, and whatever is no letter, digit or single separator becomes "-". It is
// empty when s has neither letter nor digit.
func Slug(s string) string {
	var b strings.Builder
	b.Grow(len(s))
	gap := byte(0) // the separator to write before the next letter
	for _, c := range []byte(strings.ToLower(s)) {
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
			if gap != 0 && b.Len() > 0 {
				b.WriteByte(gap)
			}
			gap = 0
			b.WriteByte(c)
		case gap == 0 && (c == '.' || c == '_'):
			gap = c
		default:
			gap = '-'
		}
	}
	if b.String() == s {
		return s // as most are: one copy of it is enough
	}
	return b.String()
}

// Called is what people call the plan's nodes: the image's id where it has one
// node, else "id:tag" or "id:tag:variant", which every command understands.
func (p *Plan) Called() func(TargetID) string {
	count := map[string]int{}
	for _, n := range p.Nodes() {
		count[n.Image]++
	}
	return func(t TargetID) string {
		if count[t.Image] > 1 {
			return t.Node()
		}
		return t.Image
	}
}

// FileName is the name that files about a target's node begin with; see
// NodeNames.
func (p *Plan) FileName(t TargetID) string {
	if p.Called()(t) == t.Image {
		return t.Image
	}
	return NodeNames(p.Nodes())[t.AllPlatforms()]
}

// Nodes are the nodes of the fleet that was planned, sorted: those that the
// plan is about and those that it leaves out, but none that is retired.
func (p *Plan) Nodes() []TargetID {
	var all []TargetID
	for i := range p.Entries {
		if e := &p.Entries[i]; e.Action != ActionRetire {
			all = append(all, e.ID().AllPlatforms())
		}
	}
	for _, node := range p.LeftOut {
		image, rest, _ := strings.Cut(node, ":")
		tag, variant, _ := strings.Cut(rest, ":")
		all = append(all, TargetID{Image: image, Tag: tag, Variant: variant})
	}
	slices.SortFunc(all, TargetID.Compare)
	return slices.Compact(all)
}
