package drawing

import (
	"encoding/json"
	"fmt"
	"strings"
)

// JSON is the nodes and the edges.
func (d *Drawing) JSON() (string, error) {
	var b strings.Builder
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(d); err != nil {
		return "", fmt.Errorf("writing the graph: %w", err)
	}
	return b.String(), nil
}

// DOT is for Graphviz: images are boxes, bases ellipses, and what changed is
// filled.
func (d *Drawing) DOT() string {
	var b strings.Builder
	b.WriteString("digraph fleet {\n  rankdir=LR;\n  node [shape=box];\n")
	for i := range d.Nodes {
		n := &d.Nodes[i]
		attributes := ""
		switch {
		case n.Outside:
			attributes = " [shape=ellipse, style=dashed]"
		case n.Changed:
			attributes = " [style=filled, fillcolor=lightyellow]"
		}
		fmt.Fprintf(&b, "  %s%s;\n", quoteDOT(n.Name), attributes)
	}
	for _, e := range d.Edges {
		label := ""
		if e.Platforms != nil {
			label = " [label=" + quoteDOT(strings.Join(e.Platforms, ", ")) + "]"
		}
		fmt.Fprintf(&b, "  %s -> %s%s;\n", quoteDOT(e.From), quoteDOT(e.To), label)
	}
	b.WriteString("}\n")
	return b.String()
}

// quoteDOT is a string of the DOT language. There a backslash escapes a quote,
// and before anything else it is the label's own escape.
func quoteDOT(s string) string {
	return `"` + strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(plain(s)) + `"`
}

// Mermaid is for Mermaid, which forges draw in a comment: images are boxes,
// bases rounded, and what changed has a thick border.
func (d *Drawing) Mermaid() string {
	var b strings.Builder
	b.WriteString("flowchart LR\n")
	id := map[string]string{}
	var changed []string
	for i := range d.Nodes {
		n := &d.Nodes[i]
		name := fmt.Sprintf("n%d", i)
		id[n.Name] = name
		open, end := "[", "]"
		if n.Outside {
			open, end = "([", "])"
		}
		fmt.Fprintf(&b, "  %s%s%s%s\n", name, open, quoteMermaid(n.Name), end)
		if n.Changed {
			changed = append(changed, name)
		}
	}
	for _, e := range d.Edges {
		arrow := "-->"
		if e.Platforms != nil {
			arrow += "|" + quoteMermaid(strings.Join(e.Platforms, ", ")) + "|"
		}
		fmt.Fprintf(&b, "  %s %s %s\n", id[e.From], arrow, id[e.To])
	}
	if len(changed) > 0 {
		fmt.Fprintf(&b, "  classDef changed stroke-width:4px\n  class %s changed\n", strings.Join(changed, ","))
	}
	return b.String()
}

// quoteMermaid is a label: whatever could be markup is an entity code.
func quoteMermaid(s string) string {
	var b strings.Builder
	b.WriteByte('"')
	for _, r := range plain(s) {
		if r < 0x80 && !strings.ContainsRune(" ,./:-_", r) && (r < '0' || r > '9') && (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') {
			fmt.Fprintf(&b, "#%d;", r)
			continue
		}
		b.WriteRune(r)
	}
	b.WriteByte('"')
	return b.String()
}
