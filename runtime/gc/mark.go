package gc

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

var (
	receiptTag = regexp.MustCompile(`^r-[a-z]+-[0-9a-f]{64}$`)
	// versionTag is what merging names an index: tag, variant, date, and a
	// number or a request.
	versionTag = regexp.MustCompile(`^.+-[0-9]{4}\.[0-9]{2}\.[0-9]{2}(?:\.[0-9]+|-[A-Za-z0-9][A-Za-z0-9.-]*)?$`)
)

// understands tells whether a tag is one of ours, on what it should stand for.
func (x *node) understands(tag string) bool {
	if _, _, ok := model.ParseContentTag(tag); ok {
		return x.kind == KindImage
	}
	if _, ok := model.ParseStateTag(tag); ok {
		return x.kind == KindImage || x.kind == KindIndex || x.kind == KindReceipt
	}
	if subject, ok := registry.ParseFallbackTag(tag); ok {
		return (x.kind == KindList || x.kind == KindArtifact) && x.subject == subject
	}
	switch x.kind {
	case KindReceipt:
		return receiptTag.MatchString(tag)
	case KindIndex:
		return x.identity != "" && (tag == x.version || tag == model.IdentityTag(x.identity))
	case KindImage:
		return x.ours() && platformTag(tag)
	}
	return false
}

// ours tells whether the manifest of a platform was pushed by a build of ours.
func (x *node) ours() bool {
	return slices.ContainsFunc(x.tags, func(tag string) bool {
		_, _, content := model.ParseContentTag(tag)
		_, state := model.ParseStateTag(tag)
		return content || state
	})
}

// platformTag tells a version's tag of one platform, "13-2026.11.21-linux-amd64".
func platformTag(tag string) bool {
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		if version, found := strings.CutSuffix(tag, "-"+p.Dashed()); found && versionTag.MatchString(version) {
			return true
		}
	}
	return false
}

// mark finds what counts. In what a closed request left, everything else does.
func (g *graph) mark(roots Roots, c closed) {
	g.about, g.parts = map[string]map[model.Digest][]*node{}, map[*node]bool{}
	var all []*node
	for repo := range g.nodes {
		g.about[repo] = map[model.Digest][]*node{}
		for _, x := range g.all(repo) {
			x.kept = ""
			all = append(all, x)
			if x.subject != "" {
				g.about[repo][x.subject] = append(g.about[repo][x.subject], x)
			}
			for _, child := range x.children {
				if part := g.nodes[repo][child]; part != nil && x.identity != "" {
					g.parts[part] = true
				}
			}
			for _, r := range x.receipts {
				if r.Digest != x.subject {
					g.about[repo][r.Digest] = append(g.about[repo][r.Digest], x)
				}
			}
		}
	}
	left := g.left(all, c)
	for _, x := range all {
		why := g.root(x, roots, c)
		if why == "" && c.request != "" && !left[x] {
			why = "it is not of " + c.request
		}
		if why != "" {
			g.keep(x, why)
		}
	}
}

// left is what requests that are over published, and what their indexes are
// made of.
func (g *graph) left(all []*node, c closed) map[*node]bool {
	left := map[*node]bool{}
	var take func(x *node)
	take = func(x *node) {
		if x == nil || left[x] {
			return
		}
		left[x] = true
		for _, child := range x.children {
			take(g.nodes[x.repo][child])
		}
		for _, about := range g.about[x.repo][x.digest] {
			take(about)
		}
	}
	for _, x := range all {
		if g.over(x, c) {
			take(x)
		}
	}
	return left
}

// root tells why a node counts by itself, empty where it does not.
func (g *graph) root(x *node, roots Roots, c closed) string {
	switch {
	case roots.Digests[x.digest] != "":
		return roots.Digests[x.digest]
	case x.unread != "":
		return x.unread
	case x.pushed:
		return "it was pushed meanwhile"
	case len(x.foreign) > 0:
		return "the tag " + x.foreign[0] + " is not one of ours"
	case x.kind == KindIndex && x.identity == "", x.kind == KindImage && !x.ours() && !g.parts[x]:
		return "nothing says that it is one of ours"
	case x.kind == KindIndex && roots.Identities[x.identity]:
		return "today's plan makes it"
	case x.snapshot() != "" && !g.over(x, c):
		return "it is of the request " + x.snapshot()
	}
	for _, tag := range x.tags {
		if key, _, ok := model.ParseContentTag(tag); ok && roots.Keys[key] {
			return "today's plan builds it"
		}
	}
	return g.young(x)
}

// young keeps what may still be in use by whoever pushed it. What is about
// something else follows that.
func (g *graph) young(x *node) string {
	if g.grace <= 0 || x.subject != "" && g.nodes[x.repo][x.subject] != nil {
		return ""
	}
	at := g.since(x)
	switch {
	case at.IsZero():
		return "nobody knows since when it is there"
	case g.now.Sub(at) < g.grace:
		return fmt.Sprintf("it is there since %s only", at.UTC().Format(time.RFC3339))
	}
	return ""
}

// since is when a node was pushed, as the registry or the newest receipt about
// it says; zero where neither does.
func (g *graph) since(x *node) time.Time {
	at := x.uploaded
	for _, about := range append([]*node{x}, g.about[x.repo][x.digest]...) {
		for _, r := range about.receipts {
			if t, err := time.Parse(time.RFC3339, r.UpdatedAt); err == nil && t.After(at) {
				at = t
			}
		}
	}
	return at
}

// keep marks a node and all that counts with it: what it consists of, what is
// said about it, what that is about, and what it was built on.
func (g *graph) keep(x *node, why string) {
	if x == nil || x.kept != "" {
		return
	}
	x.kept = why
	part := "it belongs to " + x.repo + "@" + x.digest.String()
	for _, child := range x.children {
		g.keep(g.nodes[x.repo][child], part)
	}
	for _, about := range g.about[x.repo][x.digest] {
		g.keep(about, part)
	}
	if x.subject != "" {
		g.keep(g.nodes[x.repo][x.subject], part)
	}
	for _, r := range x.receipts {
		for repo := range g.nodes {
			for _, in := range append(slices.Clone(r.Inputs), model.Material{Digest: r.Digest}) {
				g.keep(g.nodes[repo][in.Digest], part)
			}
		}
	}
}

// report says what of a repository does not count, in the order in which it
// can be deleted: an index before its platforms, so that none is ever left
// without them, and the receipts last, because they say how old the others
// are.
func (g *graph) report(repo string) Repository {
	out := Repository{Repository: repo, Items: []Item{}}
	for _, x := range g.all(repo) {
		out.Foreign = append(out.Foreign, x.foreign...)
		if x.unread != "" {
			// What it refers to is not known, so nothing is known not to be.
			out.Untouched = fmt.Sprintf("%s is not understood: %s", x.digest, x.unread)
		}
		if x.kept != "" {
			out.Kept++
			continue
		}
		i := Item{Digest: x.digest, Kind: x.kind, Tags: slices.Sorted(slices.Values(x.tags))}
		if at := g.since(x); !at.IsZero() {
			i.Age = at.UTC().Format(time.RFC3339)
		}
		out.Items = append(out.Items, i)
	}
	slices.Sort(out.Foreign)
	if out.Untouched != "" {
		out.Kept += len(out.Items)
		out.Items = []Item{}
	}
	order := []string{KindIndex, KindArtifact, KindList, KindImage, KindReceipt}
	slices.SortStableFunc(out.Items, func(a, b Item) int {
		return cmp.Compare(slices.Index(order, a.Kind), slices.Index(order, b.Kind))
	})
	return out
}
