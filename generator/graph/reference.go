package graph

import (
	"cmp"
	"slices"
	"strings"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// names finds the image of the fleet that a reference means.
type names struct {
	images   map[string]*model.Image // by id and by image_name
	all      []string                // sorted
	bare     bool                    // a name without a registry means one of ours
	prefixes []prefix                // longest first
}

// prefix is one of the repositories that are ours, with a slash at its end.
type prefix struct {
	written string
	normal  string // with the registry that is meant when it names none
}

func newNames(fleet *model.Fleet) *names {
	n := &names{images: map[string]*model.Image{}}
	for i := range fleet.Images {
		image := &fleet.Images[i]
		if _, taken := n.images[image.ImageName]; !taken {
			n.images[image.ImageName] = image
		}
	}
	for i := range fleet.Images {
		n.images[fleet.Images[i].ID] = &fleet.Images[i]
	}
	for name := range n.images {
		n.all = append(n.all, name)
	}
	slices.Sort(n.all)
	for _, p := range fleet.Settings.Repositories {
		if p == "" {
			n.bare = true
			continue
		}
		p = strings.TrimSuffix(p, "/") + "/"
		n.prefixes = append(n.prefixes, prefix{written: p, normal: normalPrefix(p)})
	}
	slices.SortFunc(n.prefixes, func(a, b prefix) int {
		return cmp.Or(cmp.Compare(len(b.written), len(a.written)), strings.Compare(a.written, b.written))
	})
	return n
}

// below is what stands after one of our prefixes.
func (n *names) below(written string, named reference.Named) (rest string, found bool) {
	for _, p := range n.prefixes {
		if rest, found := strings.CutPrefix(written, p.written); found {
			return rest, true
		}
		if rest, found := strings.CutPrefix(named.Name(), p.normal); found {
			return rest, true
		}
	}
	return "", false
}

// normalPrefix is a prefix with the registry that is meant when it names
// none.
func normalPrefix(p string) string {
	named, err := reference.ParseNormalizedNamed(p + "x")
	if err != nil {
		return p
	}
	return strings.TrimSuffix(named.Name(), "x")
}

// classify tells what a reference means: a target of the fleet, or a base
// outside it. It is false when it means nothing; what is wrong is added to
// list, unless list is nil.
func (b *builder) classify(ref dockerfile.Ref, list *diag.List) (model.TargetID, *Base, bool) {
	if list == nil {
		list = &diag.List{}
	}
	written, tag := cutTag(ref.Name)
	_, isDigest := ref.Named.(reference.Digested)
	image := b.names.images[written]
	if !b.names.bare {
		image = nil
	}
	if rest, isOurs := b.names.below(written, ref.Named); isOurs {
		if image = b.names.images[rest]; image == nil {
			hint := "no image of this repository is called so"
			if near := diag.Nearest(rest, b.names.all, max(2, len(rest)/3)); near != "" {
				hint = "did you mean " + strings.TrimSuffix(written, rest) + near + "?"
			}
			list.Errorf(RuleUnknown, ref.Pos, hint, "%q is not an image of this fleet", ref.Name)
			return model.TargetID{}, nil, false
		}
	}
	if image != nil && !isDigest && (tag == "" || tag == "latest" || tag == image.Node().Tag) {
		return b.target(image, ref, list)
	}
	return model.TargetID{}, b.base(ref, list), true
}

// target is the parent's target for the reference's platform.
func (b *builder) target(image *model.Image, ref dockerfile.Ref, list *diag.List) (model.TargetID, *Base, bool) {
	var have []string
	for _, id := range image.Targets() {
		if id.Platform.String() == ref.Platform {
			return id, nil, true
		}
		have = append(have, id.Platform.String())
	}
	list.Errorf(RulePlatform, ref.Pos, "add "+ref.Platform+" to arch: of "+image.ID+", or remove it here",
		"%s is not built for %s, only for %s", image.ID, ref.Platform, strings.Join(have, ", "))
	return model.TargetID{}, nil, false
}

// base is a reference to an image outside the fleet.
func (b *builder) base(ref dockerfile.Ref, list *diag.List) *Base {
	named := ref.Named
	base := &Base{
		Ref: ref.Name, Normalized: reference.TagNameOnly(named).String(), Repository: named.Name(), Platform: ref.Platform, Pos: ref.Pos,
		Use: Use{Kind: ref.Kind, Context: ref.Context, Rewrite: ref.Rewrite},
	}
	locked, found := b.fleet.Lock.Bases[base.Normalized]
	variant, hasPlatform := locked.Platforms[ref.Platform]
	digested, isDigest := named.(reference.Digested)
	switch {
	case found && hasPlatform:
		base.Locked, base.Digest, base.Config = true, variant.Digest, &variant.Config
	case isDigest:
		// It cannot move. What it gives to its child is not known.
		base.Locked, base.Digest = true, model.Digest(digested.Digest().String())
	case found:
		list.Errorf(RulePlatform, ref.Pos, "run rootfsgen lock if it has it by now", "images.lock has no %s of %s", ref.Platform, base.Normalized)
	default:
		b.unlocked(base, list)
	}
	return base
}

// unlocked reports a base that images.lock does not have.
func (b *builder) unlocked(base *Base, list *diag.List) {
	written, _ := cutTag(base.Ref)
	hint := "run rootfsgen lock, and commit images.lock"
	if b.names.bare && !strings.Contains(written, "/") {
		limit := 2
		if len(written) < 5 {
			limit = 1
		}
		if near := diag.Nearest(written, b.names.all, limit); near != "" && near != written {
			list.Errorf(RuleUnknown, base.Pos, "did you mean "+near+"? If the image outside is meant, write "+base.Normalized, "%q is not an image of this fleet", base.Ref)
			return
		}
		hint = b.names.unlike(written) + hint
	}
	if image := b.names.images[written]; image != nil && b.names.bare && implied(*base) {
		hint += "; if the image of this fleet is meant, write " + written + ":" + image.Node().Tag
	}
	add := list.Warnf
	if b.o.CI {
		add = list.Errorf
	}
	add(RuleUnlocked, base.Pos, hint, "%s is not in images.lock: what it is may change without a commit", base.Normalized)
}

// unlike says that a name is none of ours, and what comes nearest to it; it is
// empty for a name that is. The rest of a hint follows it.
func (n *names) unlike(written string) string {
	if n.images[written] != nil {
		return ""
	}
	s := "no image of this fleet is called " + written
	if near := diag.Nearest(written, n.all, len(written)/2); near != "" {
		s += " (the nearest is " + near + ")"
	}
	return s + "; if the image outside is meant, "
}

// cutTag splits a reference as it is written; the digest is cut off.
func cutTag(ref string) (name, tag string) {
	name, _, _ = strings.Cut(ref, "@")
	if i := strings.LastIndexByte(name, ':'); i > strings.LastIndexByte(name, '/') {
		return name[:i], name[i+1:]
	}
	return name, ""
}

// reference adds what a reference of a target's Dockerfile means.
func (b *builder) reference(n *Node, ref dockerfile.Ref) {
	target, base, known := b.classify(ref, &b.list)
	if !known {
		return
	}
	if ref.Rewrite != nil && ref.Rewrite.Old == "" {
		b.list.Errorf(RuleRewrite, ref.Pos, "rename the stage, or write the reference on one line",
			"%q is also the name of a stage, and BuildKit would take the one for the other", ref.Name)
	}
	if base != nil {
		n.Bases = append(n.Bases, *base)
		return
	}
	n.Parents = append(n.Parents, Edge{To: target, Ref: ref.Name, Pos: ref.Pos, Use: Use{Kind: ref.Kind, Context: ref.Context, Rewrite: ref.Rewrite}})
}

// syntax adds the frontend that "# syntax=" asks for. It runs on the machine
// that builds, so all of its platforms are meant.
func (b *builder) syntax(n *Node, file *dockerfile.File) {
	written, pos := file.Syntax()
	if written == "" {
		return
	}
	named, err := reference.ParseNormalizedNamed(written)
	if err != nil {
		b.list.Errorf(dockerfile.RuleRef, pos, "", "%q cannot name an image", written)
		return
	}
	base := &Base{Ref: written, Normalized: reference.TagNameOnly(named).String(), Repository: named.Name(), Pos: pos}
	locked, found := b.fleet.Lock.Bases[base.Normalized]
	digested, isDigest := named.(reference.Digested)
	switch {
	case found:
		base.Locked, base.Digest = true, locked.Digest
	case isDigest:
		base.Locked, base.Digest = true, model.Digest(digested.Digest().String())
	default:
		b.unlocked(base, &b.list)
	}
	n.Syntax = base
}
