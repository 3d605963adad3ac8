package graph

import (
	"strings"

	"github.com/distribution/reference"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// classify tells what a reference means: a target of the fleet, or a base
// outside it. It is false when it means nothing; what is wrong is added to
// list, unless list is nil.
func (b *builder) classify(ref dockerfile.Ref, list *diag.List) (model.TargetID, *Base, bool) {
	if list == nil {
		list = &diag.List{}
	}
	m := b.names.find(ref)
	switch {
	case m.unknown != "":
		if base := b.chosen(ref); base != nil {
			return model.TargetID{}, base, true
		}
		if b.o.Lenient && m.alone {
			list.Warnf(RuleUnknown, ref.Pos, m.hint, "%s", m.unknown)
			return model.TargetID{}, b.base(ref, meaning{note: noSuchImage}, &diag.List{}), true
		}
		list.Errorf(RuleUnknown, ref.Pos, m.hint, "%s", m.unknown)
		return model.TargetID{}, nil, false
	case m.image != nil:
		return b.target(m.image, ref, list)
	}
	return model.TargetID{}, b.base(ref, m, list), true
}

// noSuchImage is said of a base that looks like one of ours.
const noSuchImage = "no image of this fleet is called so"

// chosen is the outside base that images.lock has for a reference which looks
// like one of ours and is none: somebody locked it.
func (b *builder) chosen(ref dockerfile.Ref) *Base {
	if _, locked := b.fleet.Lock.Bases[reference.TagNameOnly(ref.Named).String()]; !locked {
		return nil
	}
	return b.base(ref, meaning{note: noSuchImage}, &diag.List{})
}

// target is the parent's target for the reference's platform.
func (b *builder) target(image *model.Image, ref dockerfile.Ref, list *diag.List) (model.TargetID, *Base, bool) {
	id := image.Node()
	for _, id.Platform = range image.Platforms {
		if id.Platform.String() == ref.Platform {
			return id, nil, true
		}
	}
	have := make([]string, len(image.Platforms))
	for i, p := range image.Platforms {
		have[i] = p.String()
	}
	list.Errorf(RulePlatform, ref.Pos, "add "+ref.Platform+" to arch: of "+image.ID+", or remove it here",
		"%s is not built for %s, only for %s", image.ID, ref.Platform, strings.Join(have, ", "))
	return model.TargetID{}, nil, false
}

// base is a reference to an image outside the fleet.
func (b *builder) base(ref dockerfile.Ref, m meaning, list *diag.List) *Base {
	named := ref.Named
	base := &Base{
		Ref: ref.Name, Normalized: reference.TagNameOnly(named).String(), Repository: named.Name(), Platform: ref.Platform, Pos: ref.Pos,
		Note: m.note, Use: Use{Kind: ref.Kind, Context: ref.Context, Under: ref.Under, Rewrite: ref.Rewrite},
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
		b.unlocked(base, m.ruled, list)
	}
	return base
}

// unlocked reports a base that images.lock does not have. Where a rule says
// that it is one from outside, it is no slip of the pen.
func (b *builder) unlocked(base *Base, ruled bool, list *diag.List) {
	written, _ := cutTag(base.Ref)
	hint := "run rootfsgen lock, and commit images.lock"
	if b.names.bare && !ruled && !strings.Contains(written, "/") {
		if near := b.names.slip(written); near != "" {
			list.Errorf(RuleUnknown, base.Pos, "did you mean "+near+"? If the image outside is meant, write "+base.Normalized, "%q is not an image of this fleet", base.Ref)
			return
		}
		hint = b.names.unlike(written) + hint
	}
	if ours := b.names.images[written]; ours != nil && b.names.bare && implied(*base) {
		hint += "; if the image of this fleet is meant, write " + written + ":" + ours[0].tag
	}
	const message = "%s is not in images.lock: what it is may change without a commit"
	if b.o.CI {
		list.Errorf(RuleUnlocked, base.Pos, hint, message, base.Normalized)
		return
	}
	list.Warnf(RuleUnlocked, base.Pos, hint, message+", and CI refuses that", base.Normalized)
}

// unlike says that a name is none of ours, and what comes nearest to it; it is
// empty for a name that is. The rest of a hint follows it.
func (n *names) unlike(written string) string {
	if n.images[written] != nil {
		return ""
	}
	s := "no image of this fleet is called " + written
	if near := diag.Nearest(written, n.all(), len(written)/2); near != "" {
		s += " (the nearest is " + near + ")"
	}
	return s + "; if the image outside is meant, "
}

// reference adds what a reference of a target's Dockerfile means.
func (b *builder) reference(n *Node, ref dockerfile.Ref) {
	target, base, known := b.classify(ref, &b.list)
	if !known {
		return
	}
	if base == nil && b.o.Lenient && target.AllPlatforms() == n.ID.AllPlatforms() && strings.ContainsAny(ref.Name, "/:") {
		base = b.earlier(ref)
	}
	if ref.Rewrite != nil && ref.Rewrite.Old == "" {
		b.list.Errorf(RuleRewrite, ref.Pos, "rename the stage, or write the reference on one line",
			"%q is also the name of a stage, and BuildKit would take the one for the other", ref.Name)
	}
	if base != nil {
		n.Bases = append(n.Bases, *base)
		return
	}
	n.Parents = append(n.Parents, Edge{To: target, Ref: ref.Name, Pos: ref.Pos, Use: Use{Kind: ref.Kind, Context: ref.Context, Under: ref.Under, Rewrite: ref.Rewrite}})
}

// earlier is an image under its full name, or with a tag, as it was published
// before: what else could it mean in its own Dockerfile?
func (b *builder) earlier(ref dockerfile.Ref) *Base {
	b.list.Warnf(RuleCycle, ref.Pos, "pin the tag or the digest that is meant", "%s is built from itself: what was published before is taken", ref.Name)
	return b.base(ref, meaning{ruled: true, note: "an image cannot be built from itself"}, &b.list)
}

// syntax adds the frontend that "# syntax=" asks for. It runs on the machine
// that builds, so all of its platforms are meant.
func (b *builder) syntax(n *Node, file *dockerfile.File) {
	written, pos := file.Syntax()
	if written == "" || b.fleet.Settings.Syntax == model.SyntaxBuiltin {
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
		b.unlocked(base, true, &b.list)
	}
	n.Syntax = base
}
