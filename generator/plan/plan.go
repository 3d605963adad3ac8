// Package plan decides what happens to every target. It compares the keys of
// two trees, looks at what the registry has, and is otherwise blind: the same
// arguments give the same plan.
package plan

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Snapshot is everything that one tree says.
type Snapshot struct {
	Revision model.Revision
	Fleet    *model.Fleet
	Graph    *graph.Graph
	Keys     map[model.TargetID]*key.Key
	// Unread are the folders of images that could not be understood, in a tree
	// that is only compared with: they are not among the Keys.
	Unread map[string]bool
}

// Request is what is asked for.
type Request struct {
	Scope      string   // one of the Scope constants
	Prefix     string   // registry address of the scope; empty where none is set up
	ReadPrefix string   // of a second scope that may be read, for requests
	SnapshotID string   // "pr-123"
	Date       string   // UTC date of what is planned, "2026.11.21"
	All        bool     // build everything anew
	RebuildTag string   // the release tag that asks for the same, because it ends in "a"
	Force      []string // images to build anew
	Bases      bool     // build anew what is built from no other image of the fleet
	Images     []string // plan only these and what they are built from; empty is all
	Except     []string // leave these and what is built from them out
	// Platforms are those that are built now; the others wait for a later plan,
	// and so do the indexes that they belong to. Empty is all.
	Platforms []model.Platform
	// Policy is the digest of what images must pass before they are merged,
	// empty where nothing is asked of them.
	Policy model.Digest
	Unread string   // what there was to compare with, where none of it could be understood
	Notes  []string // put before the plan's own
	Brief  bool     // leave recipes, and identities of indexes, out: people see none
	Busy   bool     // leave out the nodes to which nothing happens, and count them
	Idle   int      // how many of these are not even among those of the snapshots
}

// signing is what a plan says of signatures: whose receipts count, and, where
// anybody's do, how they are signed.
func signing(set model.Settings) (*model.Signing, *model.Trust) {
	if len(set.Trust.Signers) == 0 && len(set.Trust.Builders) == 0 {
		return nil, nil
	}
	if len(set.Trust.Builders) == 0 || !set.Signing.On() {
		return nil, &set.Trust
	}
	return &set.Signing, &set.Trust
}

// request tells whether a pull or merge request is planned: it leaves alone
// what it does not change.
func (r *Request) request() bool { return r.Scope == model.ScopePR }

// Queries is what Make must know of the registry.
func Queries(now *Snapshot, req Request) (model.RegistryQuery, error) {
	f, err := newFleet(now)
	if err != nil {
		return model.RegistryQuery{}, err
	}
	if err := f.choose(req); err != nil {
		return model.RegistryQuery{}, err
	}
	for t := range dependants(f.forced()) { // their generations count
		t.chosen = true
	}
	q := model.RegistryQuery{
		Prefix: req.Prefix, ReadPrefix: req.ReadPrefix,
		Bootstrap: now.Fleet.Settings.Registry.Bootstrap, Keys: map[string][]model.Digest{},
	}
	for _, t := range f.order {
		if t.chosen {
			repo := t.image.ImageName
			q.Keys[repo] = append(q.Keys[repo], t.key.Digest)
		}
	}
	for repo, keys := range q.Keys {
		slices.Sort(keys)
		q.Keys[repo] = slices.Compact(keys)
	}
	return q, nil
}

// Make plans the way from then to now; then is nil when there is nothing to
// compare with. The error is an *UnknownImageError for a name in the request
// that no image has.
func Make(then, now *Snapshot, state model.RegistryState, req Request) (*model.Plan, error) {
	m, err := newMaker(then, now, state, req)
	if err != nil {
		return nil, err
	}
	m.decide()
	if req.request() {
		m.leaveAlone()
	}
	if err := m.postpone(); err != nil {
		return nil, err
	}
	m.findUntested()
	idle := m.findIdle()
	p := &model.Plan{
		Version: model.PlanVersion, To: now.Revision,
		Scope: req.Scope, Prefix: req.Prefix, ReadPrefix: req.ReadPrefix, SnapshotID: req.SnapshotID, Date: req.Date,
		Registry: "unknown", Bootstrap: now.Fleet.Settings.Registry.Bootstrap,
		Notes: m.notes(), LeftOut: m.leftOut(), Entries: []model.Entry{}, Indexes: m.indexes(), Idle: idle,
	}
	if now.Fleet.Settings.Publish == model.PublishChanged {
		p.Publish = model.PublishChanged
	}
	p.Policy = req.Policy
	p.Signing, p.Trust = signing(now.Fleet.Settings)
	if then != nil {
		from := then.Revision
		p.From = &from
	}
	if state.Known {
		p.Registry = "known"
	}
	running := map[model.TargetID]*model.Index{}
	for i := range p.Indexes {
		x := &p.Indexes[i]
		if x.Action == model.StepRun {
			running[model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}] = x
		}
	}
	if !req.Busy {
		p.Entries = slices.Grow(p.Entries, len(m.order))
	}
	for _, t := range m.order {
		if t.chosen && !t.idle {
			p.Entries = append(p.Entries, m.entry(t, running[t.id.AllPlatforms()]))
		}
	}
	if retired := m.retired(); len(retired) > 0 {
		p.Entries = append(p.Entries, retired...)
		slices.SortStableFunc(p.Entries, func(a, b model.Entry) int {
			if a.Wave != b.Wave {
				return a.Wave - b.Wave
			}
			return a.ID().Compare(b.ID())
		})
	}
	return p, nil
}

// leftOut are the nodes that the request is not about: their absence must not
// look like retirement.
func (m *maker) leftOut() []string {
	var out []string
	for _, t := range m.order {
		if !t.chosen && t.node[0] == t {
			out = append(out, t.id.Node())
		}
	}
	slices.Sort(out)
	return out
}

func (m *maker) notes() []string {
	notes := slices.Clone(m.req.Notes)
	switch {
	case m.then == nil && m.req.Unread != "":
		notes = append(notes, "There is nothing else to compare with, so everything is new.")
	case m.then == nil:
		notes = append(notes, "There is no earlier release to compare with, so everything is new.")
	case m.then.Revision.Tree == m.now.Revision.Tree:
		notes = append(notes, "Nothing was edited since "+m.since+".")
	}
	if !m.state.Known {
		notes = append(notes, "The registry was not asked: git alone says what is built, and what failed before is not noticed.")
		if len(m.forced()) > 0 {
			notes = append(notes, "Without the registry the next generation is not known; the plan says 0.")
		}
	}
	return append(notes, m.untestedNotes()...)
}
