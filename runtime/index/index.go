// Package index merges the platforms of an image into one index: all of them
// or none, and only when each was built and tested. The version tag appears
// with the whole index behind it, and never moves to other content.
package index

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// AnnotationKey is of an index its identity, of a child its target's key.
const AnnotationKey = "dev.rootfsgen.key"

// The other annotations of an index.
const (
	annotationTree     = "dev.rootfsgen.plan" // the tree that was planned
	annotationVersion  = "org.opencontainers.image.version"
	annotationRevision = "org.opencontainers.image.revision"
	annotationCreated  = "org.opencontainers.image.created"
	annotationTitle    = "org.opencontainers.image.title"
)

// Step merges indexes.
type Step struct {
	Registry  *registry.Client
	Artifacts string           // folder for build-artifacts/*.json; empty writes none
	Now       func() time.Time // nil is the clock
}

var _ step.Index = Step{}.Run

// merging is one index on its way.
type merging struct {
	Step
	plan     *model.Plan
	index    *model.Index
	repo     string
	tags     []string
	parts    []part
	identity model.Digest
	children []child
	before   model.Receipt // of an earlier merge of the same identity
}

// child is one platform's manifest and what its receipts say.
type child struct {
	part
	raw  []byte
	desc registry.Descriptor
}

// published is an index that lies under a version tag.
type published struct {
	version string
	digest  model.Digest
	raw     []byte
}

// publishTries bounds how often another merge of the same image may be met.
const publishTries = 5

// Run merges one index of the plan. It skips when the index is there already,
// with its receipt; the receipt is returned in either case. An index that
// cannot be made yet is an *Incomplete, and nothing is written for it.
//
// The writes come in such an order that what a crash leaves is either not
// visible or whole, and is finished by the next run: the index with its
// version tag, the platforms' tags, the identity's tag, the receipt.
func (s Step) Run(ctx context.Context, p *model.Plan, i *model.Index) (model.Receipt, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	m := &merging{Step: s, plan: p, index: i, repo: p.Prefix + "/" + i.Repository}
	if err := m.look(ctx); err != nil {
		return model.Receipt{}, err
	}
	r, done, err := m.done(ctx)
	if err != nil {
		return r, err
	}
	if done && m.names(r) {
		if m.stands(r) {
			if err := m.gather(ctx); err != nil {
				return r, err
			}
		}
		if err := m.finish(ctx, r); err != nil {
			return r, err
		}
		return r, step.Skip("it is there as " + r.VersionTag)
	}
	if err := m.gather(ctx); err != nil {
		return model.Receipt{}, err
	}
	if r, same, err := m.unchanged(ctx); err != nil || same {
		if err == nil {
			err = cmp.Or(m.finish(ctx, r), step.Skip(Unchanged+": it stays "+r.VersionTag))
		}
		return r, err
	}
	for range publishTries {
		r, settled, err := m.publish(ctx)
		if err != nil {
			return r, err
		}
		if settled {
			return r, m.finish(ctx, r)
		}
	}
	return model.Receipt{}, &registry.Unavailable{
		Doing: "merging " + name(i), Attempts: publishTries, Err: errors.New("another merge of this image takes the version tag each time"),
	}
}

// finish says to whoever plans next that the merge is done, under the key of
// the first platform, and writes the index's files.
func (m *merging) finish(ctx context.Context, r model.Receipt) error {
	tests := make([]model.Digest, len(m.parts))
	for n, p := range m.parts {
		tests[n] = material(r, model.StepTest+" "+p.Platform.String())
		if m.children != nil { // the receipt may speak of an earlier generation
			tests[n] = testKey(m.children[n])
		}
	}
	first := m.parts[0]
	state := model.StateTag{
		Key: first.Key, Generation: first.Generation, Step: model.StepMerge, Digest: r.Digest,
		StepKey: model.MergeStateKey(m.identity, tests, m.plan.Policy),
	}
	if err := m.Registry.PutState(ctx, m.repo, state, r.Digest.String()); err != nil {
		return err
	}
	return m.report(ctx, r)
}

// look reads the tags and finds the current generation.
func (m *merging) look(ctx context.Context) error {
	var err error
	if m.tags, err = m.Registry.Tags(ctx, m.repo); err != nil {
		return err
	}
	found, missing := parts(m.tags, m.plan, m.index)
	if len(missing) > 0 || len(found) == 0 {
		return &Incomplete{Name: name(m.index), Missing: missing}
	}
	m.parts, m.identity = found, identity(m.index, found)
	return nil
}

func (m *merging) has(tag string) bool {
	_, found := slices.BinarySearch(m.tags, tag)
	return found
}

// done tells whether the merge was finished before: it has a receipt, today's
// tests of each platform have passed, and today's policy, and the version tag
// still stands for what the receipt speaks of.
func (m *merging) done(ctx context.Context) (model.Receipt, bool, error) {
	tag := model.ReceiptTag(model.StepMerge, model.MergeStepKey(m.identity))
	if !m.has(tag) {
		return model.Receipt{}, false, nil
	}
	r, found, err := m.Registry.Receipt(ctx, m.repo, tag)
	if err != nil || !found {
		return r, false, err
	}
	m.before = r
	if m.withdrawn(r.Digest) {
		return r, false, nil
	}
	for _, p := range m.parts {
		test := model.TestStepKey(material(r, p.Platform.String()), p.entry.TestsKey)
		if !m.has(model.ReceiptTag(model.StepTest, test)) || !m.judged(material(r, p.Platform.String())) {
			return r, false, nil
		}
	}
	d, found, err := m.Registry.Resolve(ctx, m.repo, r.VersionTag)
	return r, found && d.Digest == r.Digest, err
}

// withdrawn tells whether somebody has withdrawn a digest.
func (m *merging) withdrawn(digest model.Digest) bool { return m.has(model.WithdrawalTag(digest)) }

// names tells whether a receipt names today's tests, so that a promotion asks
// for these.
func (m *merging) names(r model.Receipt) bool {
	return !slices.ContainsFunc(m.parts, func(p part) bool {
		test := model.TestStepKey(material(r, p.Platform.String()), p.entry.TestsKey)
		return material(r, model.StepTest+" "+p.Platform.String()) != test
	})
}

// material is the digest that a receipt has for a name, empty where it has
// none.
func material(r model.Receipt, name string) model.Digest {
	for _, in := range r.Inputs {
		if in.Name == name {
			return in.Digest
		}
	}
	return ""
}

// gather reads the platforms' manifests and checks their receipts. Everything
// that is missing is said at once.
func (m *merging) gather(ctx context.Context) error {
	m.children = make([]child, len(m.parts))
	lacks := make([][]string, len(m.parts))
	above, err := m.above(ctx)
	if err != nil {
		return err
	}
	g, ctx := errgroup.WithContext(ctx)
	for n, p := range m.parts {
		g.Go(func() error {
			raw, desc, err := m.Registry.Manifest(ctx, m.repo, model.ContentTag(p.Key, p.Generation))
			if err != nil {
				return err
			}
			m.children[n] = child{part: p, raw: raw, desc: desc}
			lacks[n], err = m.unproven(ctx, m.children[n])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return err
	}
	if missing := slices.Concat(append(lacks, above)...); len(missing) > 0 {
		return &Incomplete{Name: name(m.index), Missing: missing}
	}
	return nil
}

// check is a receipt that must speak for a platform.
type check struct {
	step string
	key  model.Digest
	lack string // what it means that there is none
}

// unproven lists what a platform's receipts do not prove of its digest.
func (m *merging) unproven(ctx context.Context, c child) ([]string, error) {
	var missing []string
	if c.desc.IsIndex() {
		missing = append(missing, c.Platform.String()+" is an index, not an image")
	}
	if m.withdrawn(c.desc.Digest) {
		missing = append(missing, fmt.Sprintf("%s: %s was withdrawn, and the same bytes were made again", c.Platform, c.desc.Digest.Short()))
	}
	checks := []check{
		{model.StepBuild, buildKey(c), "its build was not recorded"},
		{model.StepTest, testKey(c), untested(c.entry)},
	}
	if m.plan.Policy != "" {
		checks = append(checks, check{model.StepGate, model.GateStepKey(c.desc.Digest, m.plan.Policy), unjudged})
	}
	for _, check := range checks {
		r, found, err := m.Registry.Receipt(ctx, m.repo, model.ReceiptTag(check.step, check.key))
		switch {
		case err != nil:
			return nil, err
		case !found:
			missing = append(missing, c.Platform.String()+": "+check.lack)
		case r.Digest != c.desc.Digest:
			missing = append(missing, fmt.Sprintf("%s: %s (the receipt speaks of %s, the registry has %s)", c.Platform, check.lack, r.Digest.Short(), c.desc.Digest.Short()))
		}
	}
	return missing, nil
}

func buildKey(c child) model.Digest { return model.BuildStepKey(c.Key, c.Generation) }
func testKey(c child) model.Digest  { return model.TestStepKey(c.desc.Digest, c.entry.TestsKey) }

// Merged finds the receipt of an index's merge in the state that the registry
// has now; false when it is not merged yet, or its version tag was lost to
// another merge.
func Merged(ctx context.Context, c *registry.Client, p *model.Plan, i *model.Index) (model.Receipt, bool, error) {
	m := &merging{Step: Step{Registry: c}, plan: p, index: i, repo: p.Prefix + "/" + i.Repository}
	return m.merged(ctx)
}

func (m *merging) merged(ctx context.Context) (model.Receipt, bool, error) {
	err := m.look(ctx)
	if _, ok := errors.AsType[*Incomplete](err); ok {
		return model.Receipt{}, false, nil
	}
	if err != nil {
		return model.Receipt{}, false, err
	}
	return m.done(ctx)
}
