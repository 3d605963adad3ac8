package plan

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maker holds what is known while a plan is made.
type maker struct {
	*fleet
	then, now  *Snapshot
	state      model.RegistryState
	req        Request
	chosen     targets
	forcedSet  targets
	renamed    map[model.TargetID]model.TargetID   // what a target was called then, where that was something else
	generation map[model.TargetID]int              // that a target must have
	newer      map[model.TargetID][]model.TargetID // the parents because of which a target is built anew
	verdicts   map[model.TargetID]*verdict
	states     map[[2]string]map[string]string // see steps
	explained
}

// verdict is what was decided about one target.
type verdict struct {
	action      model.Action
	build, test string // StepRun or StepDone
	digest      model.Digest
	reasons     []model.Reason
	affected    bool // something about its node was edited, or is built anew
	unfinished  bool // a step is not done, and the request leaves it alone
}

// none is the generation of what the registry does not have.
const none = -1

func newMaker(then, now *Snapshot, state model.RegistryState, req Request) (*maker, error) {
	f, err := newFleet(now)
	if err != nil {
		return nil, err
	}
	m := &maker{fleet: f, then: then, now: now, state: state, req: req, verdicts: make(map[model.TargetID]*verdict, len(f.order)), states: map[[2]string]map[string]string{}, explained: newExplained(then, state.Known)}
	if m.chosen, err = f.choose(req); err != nil {
		return nil, err
	}
	if m.forcedSet, err = f.forced(req, m.chosen); err != nil {
		return nil, err
	}
	m.renamed = pair(then, now)
	m.generations()
	m.findNewer()
	return m, nil
}

// pair finds what targets were called then that had another tag: where the
// image of a folder has one then and now, that one. A folder that is named by
// its tag and gives way to another is another image of that name.
func pair(then, now *Snapshot) map[model.TargetID]model.TargetID {
	old := map[model.TargetID]model.TargetID{}
	if then == nil {
		return old
	}
	type slot struct {
		image, variant string
		platform       model.Platform
	}
	gone, come := map[slot][]model.TargetID{}, map[slot][]model.TargetID{}
	for t := range then.Keys {
		if now.Keys[t] == nil {
			s := slot{t.Image, t.Variant, t.Platform}
			gone[s] = append(gone[s], t)
		}
	}
	for t := range now.Keys {
		if then.Keys[t] != nil {
			continue
		}
		s := slot{t.Image, t.Variant, t.Platform}
		come[s] = append(come[s], t)
	}
	for s, fresh := range come {
		if len(fresh) == 1 && len(gone[s]) == 1 && folder(now, fresh[0]) == folder(then, gone[s][0]) {
			old[fresh[0]] = gone[s][0]
		}
	}
	return old
}

func folder(s *Snapshot, t model.TargetID) string {
	if image, found := s.Fleet.Node(t); found {
		return image.Dir
	}
	return ""
}

// existing is the highest generation of a target that may be used, none when
// there is none or nobody asked.
func (m *maker) existing(t model.TargetID) int {
	g := none
	if !m.state.Known {
		return g
	}
	if c, found := m.content(m.state.Repositories, t); found {
		g = max(g, c.Generation)
	}
	if c, found := m.content(m.state.Read, t); found {
		g = max(g, c.Generation)
	}
	return g
}

func (m *maker) content(in map[string]model.RepositoryState, t model.TargetID) (model.Content, bool) {
	c, found := in[m.image(t).ImageName].Contents[m.keys[t].Digest]
	return c, found && m.state.Known
}

// generations settles the generation of every target. What is forced gets one
// above all that it and its dependants have; every target has at least its
// parents'. A dependant whose generation is below its parent's was therefore
// built before it, even when the run that forced the parent died half-way.
func (m *maker) generations() {
	m.generation = map[model.TargetID]int{}
	if !m.state.Known {
		return // all are 0
	}
	next := 0
	for t := range m.dependants(m.forcedSet) {
		next = max(next, m.existing(t)+1)
	}
	for _, t := range m.order {
		m.generation[t] = max(0, m.existing(t))
		if m.forcedSet[t] && m.state.Known {
			m.generation[t] = next
		}
	}
	for moved := true; moved; {
		moved = false
		raise := func(t model.TargetID, g int) {
			if m.generation[t] < g {
				m.generation[t], moved = g, true
			}
		}
		for _, t := range m.order {
			for _, p := range m.keys[t].Parents {
				raise(t, m.generation[p])
			}
		}
		for _, platforms := range m.nodes {
			for _, t := range platforms {
				for _, o := range platforms {
					raise(t, m.generation[o])
				}
			}
		}
	}
}

// findNewer notes the parents that have a newer generation than a dependant of
// theirs. Without the registry, that is every parent that is built anew.
func (m *maker) findNewer() {
	m.newer = map[model.TargetID][]model.TargetID{}
	if !m.state.Known && len(m.forcedSet) == 0 {
		return
	}
	for _, t := range m.order {
		have := m.existing(t)
		for _, p := range m.keys[t].Parents {
			stale := have != none && m.generation[p] > have
			if stale || !m.state.Known && m.rebuilt(p) {
				m.newer[t] = append(m.newer[t], p)
			}
		}
	}
}

// rebuilt tells whether t is built anew for no input of its own: it is forced,
// or a parent is, or has a newer generation than t.
func (m *maker) rebuilt(t model.TargetID) bool {
	return m.forcedSet[t] || len(m.newer[t]) > 0
}

// changed tells whether the key differs from then's.
func (m *maker) changed(t model.TargetID) bool {
	k, now := m.oldKey(t), m.keys[t]
	return k != now && (k == nil || k.Digest != now.Digest)
}

func (m *maker) testsChanged(t model.TargetID) bool {
	k, now := m.oldKey(t), m.keys[t]
	return k != now && (k == nil || k.TestsKey != now.TestsKey)
}

func (m *maker) oldKey(t model.TargetID) *key.Key {
	if m.then == nil {
		return nil
	}
	if k := m.then.Keys[t]; k != nil {
		return k
	}
	if was, renamed := m.renamed[t]; renamed {
		return m.then.Keys[was]
	}
	return nil
}

// decide gives every chosen target its verdict.
func (m *maker) decide() {
	affected := targets{}
	for _, t := range m.order {
		if m.chosen[t] && (m.changed(t) || m.testsChanged(t) || m.rebuilt(t)) {
			affected[t.AllPlatforms()] = true
		}
	}
	for _, t := range m.order {
		if !m.chosen[t] {
			continue
		}
		v := &verdict{affected: affected[t.AllPlatforms()]}
		if m.state.Known {
			m.fromRegistry(t, v)
		} else {
			m.fromGit(t, v)
		}
		v.reasons = append(m.reasons(t, v), v.reasons...)
		m.verdicts[t] = v
	}
}

// fromGit decides without the registry: what changed is built.
func (m *maker) fromGit(t model.TargetID, v *verdict) {
	v.action, v.build, v.test = model.ActionNone, model.StepDone, model.StepDone
	switch {
	case m.changed(t) || m.rebuilt(t):
		v.action, v.build, v.test = model.ActionBuild, model.StepRun, model.StepRun
	case m.testsChanged(t):
		v.test = model.StepRun
	}
}

// fromRegistry decides by what is there under the key.
func (m *maker) fromRegistry(t model.TargetID, v *verdict) {
	g := m.generation[t]
	own, inOwn := m.content(m.state.Repositories, t)
	read, inRead := m.content(m.state.Read, t)
	v.build, v.test = model.StepRun, model.StepRun
	switch {
	case inOwn && own.Generation == g:
		v.digest = own.Digest
		m.present(t, v)
	case inRead && read.Generation == g:
		v.digest = read.Digest
		v.action = model.ActionReuse
		v.reasons = []model.Reason{registry("copied from " + m.req.ReadPrefix)}
	default:
		v.action = model.ActionBuild
		if !m.changed(t) && !m.rebuilt(t) {
			v.reasons = []model.Reason{m.absent(t)}
		}
	}
}

// present decides for bytes that the scope has already: which steps are done.
func (m *maker) present(t model.TargetID, v *verdict) {
	v.action = model.ActionNone
	if m.changed(t) {
		v.action = model.ActionReuse
		v.reasons = []model.Reason{registry("the registry has these bytes already")}
	}
	if v.digest == "" {
		v.action = model.ActionReuse
		v.reasons = append(v.reasons, registry("its build was not recorded"))
		return
	}
	v.build = model.StepDone
	if m.tested(t, v.digest) {
		v.test = model.StepDone
		return
	}
	if m.oldKey(t) == nil || !m.testsChanged(t) {
		v.reasons = append(v.reasons, registry("its tests have not passed yet"))
	}
}

// absent says why bytes that nobody changed must be made.
func (m *maker) absent(t model.TargetID) model.Reason {
	for _, o := range m.nodes[t.AllPlatforms()] {
		if o != t && m.existing(o) == m.generation[t] && m.generation[t] > 0 {
			return registry("only " + o.Platform.String() + " is there in this generation")
		}
	}
	return registry("the registry does not have it: it was never built, or failed the last time")
}

func registry(detail string) model.Reason {
	return model.Reason{Kind: model.ReasonRegistry, Detail: detail}
}

// tested tells whether the scope has a record that today's tests have passed
// on a digest.
func (m *maker) tested(t model.TargetID, digest model.Digest) bool {
	c, found := m.content(m.state.Repositories, t)
	return found && c.Digest == digest && c.Has(model.StepTest, model.TestStepKey(digest, m.keys[t].TestsKey))
}

// leaveAlone takes out of a request what it does not touch: bytes that are
// missing or untested there are the protected branch's business, unless
// something that the request builds needs them.
func (m *maker) leaveAlone() {
	for _, t := range slices.Backward(m.order) {
		v := m.verdicts[t]
		if v == nil || v.affected || v.build == model.StepDone && v.test == model.StepDone {
			continue
		}
		needed := v.action == model.ActionBuild && slices.ContainsFunc(m.children[t], func(c model.TargetID) bool {
			cv := m.verdicts[c]
			return cv != nil && cv.action == model.ActionBuild
		})
		if needed {
			continue
		}
		if v.action == model.ActionBuild {
			v.reasons = []model.Reason{registry("not in the registry; this request does not change it")}
		} else {
			v.reasons, v.unfinished = nil, true
		}
		v.action, v.build, v.test = model.ActionNone, model.StepDone, model.StepDone
	}
}
