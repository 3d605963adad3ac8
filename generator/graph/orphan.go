package graph

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Orphans are the references of now that meant an image of the fleet then and
// mean an image outside by now, because the image was removed, or has another
// tag. Nobody wrote that: without this, an image of that name on the default
// registry, whoever made it, would take the place of the fleet's own. What is
// in images.lock was chosen, and is none; a reference that names its registry
// cannot be taken for somebody else's, and is only a warning.
func Orphans(then, now *Graph) diag.List {
	meant := then.meant(now)
	if len(meant) == 0 {
		return nil
	}
	tags, nodes := map[string]string{}, map[model.TargetID]bool{}
	for _, n := range now.order {
		id := n.ID
		tags[id.Image] = max(id.Tag, tags[id.Image])
		nodes[id.AllPlatforms()] = true
	}
	var list diag.List
	seen := map[diag.Pos]bool{}
	for _, n := range now.order {
		id := n.ID
		for _, b := range n.Bases {
			was, ours := meant[b.Ref]
			if !ours || b.Locked || seen[b.Pos] || nodes[was.AllPlatforms()] {
				continue // what is there still was not left behind: the rules say something else
			}
			tag, stays := tags[was.Image]
			switch {
			case !stays && !implied(b):
				list.Warnf(RuleOrphan, b.Pos, fmt.Sprintf("restore %s, or change line %d; if the image outside is meant, run rootfsgen lock", then.node(was).Image.Dir, b.Pos.Line),
					"%s is no longer an image of this fleet: %s is built from what was published as %s", was.Image, id.Image, b.Normalized)
			case !stays:
				list.Errorf(RuleOrphan, b.Pos, fmt.Sprintf("restore %s, or change line %d; if the image outside is meant, run rootfsgen lock", then.node(was).Image.Dir, b.Pos.Line),
					"%s is no longer an image of this fleet, and %s is still built from it", was.Image, id.Image)
			case implied(b):
				list.Errorf(RuleOrphan, b.Pos, "leave the tag out, or write "+was.Image+":"+tag+"; if the image outside is meant, run rootfsgen lock",
					"%s has the tag %s now, so %q would mean %s", was.Image, tag, b.Ref, b.Normalized)
			default:
				continue
			}
			seen[b.Pos] = true
		}
	}
	return list.Sorted()
}

// meant are the targets that references of then meant which are ones to an
// image outside now, and not locked.
func (g *Graph) meant(now *Graph) map[string]model.TargetID {
	outside := map[string]bool{}
	for _, n := range now.order {
		for i := range n.Bases {
			if b := &n.Bases[i]; !b.Locked {
				outside[b.Ref] = true
			}
		}
	}
	if len(outside) == 0 {
		return nil
	}
	meant := map[string]model.TargetID{}
	for _, n := range g.order {
		for _, e := range n.Parents {
			if outside[e.Ref] {
				meant[e.Ref] = e.To
			}
		}
	}
	return meant
}

// implied tells whether a base lies on the default registry only because its
// reference names none.
func implied(b Base) bool {
	const host = "docker.io/"
	return strings.HasPrefix(b.Normalized, host) && !strings.HasPrefix(b.Ref, host)
}
