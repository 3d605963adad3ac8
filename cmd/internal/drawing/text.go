package drawing

import (
	"cmp"
	"fmt"
	"strings"
	"unicode"
)

// Text draws a tree for people: each image once, below the parent that is
// ready last; what else it is built from stands behind it. Of many images that
// nothing is built from, a few stand for all, unless all asks for every one.
func (d *Drawing) Text(all bool) string {
	t := &tree{all: all, children: map[string][]*Node{}, others: map[string][]string{}, usual: d.usualPlatforms(), least: foldFrom}
	if len(d.Nodes) > large {
		t.least = foldFromLarge
	}
	parents := map[string][]Edge{}
	for _, e := range d.Edges {
		parents[e.To] = append(parents[e.To], e)
	}
	nodes := map[string]*Node{}
	for i := range d.Nodes {
		nodes[d.Nodes[i].Name] = &d.Nodes[i]
	}
	var roots []*Node
	for i := range d.Nodes {
		n := &d.Nodes[i]
		if n.Outside {
			continue
		}
		main := t.place(n, parents[n.Name], nodes)
		if main == "" {
			roots = append(roots, n)
			continue
		}
		t.children[main] = append(t.children[main], n)
	}
	var b strings.Builder
	b.WriteString(d.heading())
	t.level(&b, roots, "", true)
	return b.String()
}

type tree struct {
	all      bool
	children map[string][]*Node
	others   map[string][]string // what a node is built from beside the parent that it stands below
	usual    string              // platforms that are not repeated
	least    int                 // images that make a fold
}

// place finds the parent that a node stands below: of those in the fleet that
// of the highest wave. The rest is noted.
func (t *tree) place(n *Node, edges []Edge, nodes map[string]*Node) string {
	main := -1
	for i, e := range edges {
		p := nodes[e.From]
		if !p.Outside && (main < 0 || p.Wave > nodes[edges[main].From].Wave) {
			main = i
		}
	}
	for i, e := range edges {
		if i == main && e.Platforms == nil {
			continue
		}
		s := "+ " + plain(e.From)
		if i == main {
			s = "only"
		}
		if e.Platforms != nil {
			s += " on " + strings.Join(e.Platforms, ", ")
		}
		t.others[n.Name] = append(t.others[n.Name], s)
	}
	if main < 0 {
		return ""
	}
	return edges[main].From
}

// A fold names shownLeaves of its images. Fewer than foldFrom make none, fewer
// than foldFromLarge where the fleet has many images.
const (
	shownLeaves   = 3
	foldFrom      = 10
	foldFromLarge = 4
	large         = 100
)

// leaf tells whether nothing is built from a node, and nothing more is to be
// said of it than its name.
func (t *tree) leaf(n *Node) bool {
	return len(t.children[n.Name]) == 0 && len(t.others[n.Name]) == 0
}

// fold parts the nodes that have a line each from those that share one.
func (t *tree) fold(nodes []*Node) (shown, folded []*Node) {
	if t.all {
		return nodes, nil
	}
	for _, n := range nodes {
		if t.leaf(n) {
			folded = append(folded, n)
		} else {
			shown = append(shown, n)
		}
	}
	if len(folded) < t.least {
		return nodes, nil
	}
	return shown, folded
}

// level writes nodes that have one parent, or none, and what is below them.
// Those without a parent have no branch before them.
func (t *tree) level(b *strings.Builder, nodes []*Node, indent string, top bool) {
	shown, folded := t.fold(nodes)
	for i, n := range shown {
		mark, deeper := "", ""
		switch {
		case top:
		case i == len(shown)-1 && len(folded) == 0:
			mark, deeper = "└─ ", indent+"   "
		default:
			mark, deeper = "├─ ", indent+"│  "
		}
		fmt.Fprintf(b, "%s%s%s\n", indent, mark, t.line(n))
		t.level(b, t.children[n.Name], deeper, false)
	}
	if len(folded) > 0 {
		mark := "└─ "
		if top {
			mark = ""
		}
		fmt.Fprintf(b, "%s%s%s\n", indent, mark, foldedLine(folded))
	}
}

func foldedLine(nodes []*Node) string {
	names := make([]string, shownLeaves)
	for i := range names {
		names[i] = plain(nodes[i].Name)
	}
	changed := 0
	for _, n := range nodes {
		if n.Changed {
			changed++
		}
	}
	s := fmt.Sprintf("%s and %d more", strings.Join(names, ", "), len(nodes)-shownLeaves)
	if changed > 0 {
		s += fmt.Sprintf(" (%d of %d changed)", changed, len(nodes))
	}
	return s
}

func (t *tree) line(n *Node) string {
	s := plain(n.Name)
	if p := strings.Join(n.Platforms, ", "); p != t.usual {
		s += " [" + p + "]"
	}
	if others := t.others[n.Name]; len(others) > 0 {
		s += " " + strings.Join(others, " ")
	}
	if n.Changed {
		s += " (changed)"
	}
	return s
}

// usualPlatforms are those that most nodes have; they are not repeated.
func (d *Drawing) usualPlatforms() string {
	count := map[string]int{}
	for i := range d.Nodes {
		if !d.Nodes[i].Outside {
			count[strings.Join(d.Nodes[i].Platforms, ", ")]++
		}
	}
	most := ""
	for p, n := range count {
		if c := cmp.Compare(n, count[most]); c > 0 || c == 0 && p < most {
			most = p
		}
	}
	return most
}

// heading counts the images of each wave.
func (d *Drawing) heading() string {
	waves := map[int]int{}
	total, last := 0, 0
	for i := range d.Nodes {
		if n := &d.Nodes[i]; !n.Outside {
			waves[n.Wave]++
			total++
			last = max(last, n.Wave)
		}
	}
	if total == 0 {
		return "no images\n"
	}
	var each []string
	for w := range last + 1 {
		if waves[w] > 0 {
			each = append(each, fmt.Sprintf("%d in wave %d", waves[w], w))
		}
	}
	noun := "images"
	if total == 1 {
		noun = "image"
	}
	s := fmt.Sprintf("%d %s: %s", total, noun, strings.Join(each, ", "))
	if usual := d.usualPlatforms(); usual != "" {
		s += "; " + usual
	}
	return s + "\n"
}

// plain keeps control characters off the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if r != ' ' && !unicode.IsPrint(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}
