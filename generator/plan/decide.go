package plan

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maker holds what is known while a plan is made.
type maker struct {
	*fleet
	then, now *Snapshot
	state     model.RegistryState
	req       Request
	gone      int                               // how many targets of then are not there now under their names
	renamed   map[model.TargetID]model.TargetID // what a target was called then, where that was something else
	states    map[[3]string]map[string]string   // see steps
	explained
}

// verdict is what was decided about one target.
type verdict struct {
	action      model.Action
	build, test string // StepRun or StepDone; test also StepUntested
	digest      model.Digest
	reasons     []model.Reason
	affected    bool // something about its node was edited, or is built anew
	unfinished  bool // a step is not done, and the request leaves it alone
	postponed   bool // it is to be built, but not for this platform now
	untested    bool // it, or something that it is built from, cannot be tested
	idle        bool // nothing happens to its node, and the plan only counts it
}

// none is the generation of what the registry does not have.
const none = -1

func newMaker(then, now *Snapshot, state model.RegistryState, req Request) (*maker, error) {
	f, err := newFleet(now)
	if err != nil {
		return nil, err
	}
	m := &maker{fleet: f, then: then, now: now, state: state, req: req, states: map[[3]string]map[string]string{}, explained: newExplained(then, state.Known)}
	if err := f.choose(req); err != nil {
		return nil, err
	}
	m.compare()
	m.generations()
	m.findNewer()
	return m, nil
}

// compare finds what each target was then.
func (m *maker) compare() {
	if m.then == nil {
		return
	}
	m.gone = len(m.then.Keys)
	for _, t := range m.order {
		if t.old = m.then.Keys[t.id]; t.old != nil {
			m.gone--
		}
	}
	if m.gone == 0 {
		return // everything that was there still is
	}
	m.renamed = pair(m.then, m.now)
	for _, t := range m.order {
		if was, renamed := m.renamed[t.id]; renamed {
			t.old = m.then.Keys[was]
			if was.Tag != t.id.Tag {
				t.renamed = was.Tag
			}
		}
	}
}

// pair finds what targets were called then that had another tag: where the
// image of a folder has one then and now, that one. A folder that is named by
// its tag and gives way to another is another image of that name.
func pair(then, now *Snapshot) map[model.TargetID]model.TargetID {
	old := map[model.TargetID]model.TargetID{}
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
func (m *maker) existing(t *target) int {
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

func (m *maker) content(in map[string]model.RepositoryState, t *target) (model.Content, bool) {
	if !m.state.Known {
		return model.Content{}, false
	}
	c, found := in[t.image.ImageName].Contents[t.key.Digest]
	return c, found
}

// generations settles the generation of every target. What is forced gets one
// above all that it and its dependants have; every target has at least its
// parents'. A dependant whose generation is below its parent's was therefore
// built before it, even when the run that forced the parent died half-way.
func (m *maker) generations() {
	if !m.state.Known {
		return // all are 0
	}
	for _, t := range m.order {
		if c, found := m.content(m.state.Repositories, t); found && c.Withdrawn() {
			t.withdrawn, t.forced = t.chosen, t.forced || t.chosen
		}
	}
	next := 0
	for t := range dependants(m.forced()) {
		next = max(next, m.existing(t)+1)
	}
	for _, t := range m.order {
		t.generation = max(0, m.existing(t))
		if t.forced {
			t.generation = next
		}
	}
	for moved := true; moved; {
		moved = false
		raise := func(t *target, g int) {
			if t.generation < g {
				t.generation, moved = g, true
			}
		}
		for _, t := range m.order {
			for _, p := range t.parents {
				raise(t, p.generation)
			}
		}
		for _, t := range m.order {
			for _, o := range t.node {
				raise(t, o.generation)
			}
		}
	}
}

// findNewer notes the parents that have a newer generation than a dependant of
// theirs. Without the registry, that is every parent that is built anew.
func (m *maker) findNewer() {
	for _, t := range m.order {
		have := m.existing(t)
		for _, p := range t.parents {
			stale := have != none && p.generation > have
			if stale || !m.state.Known && p.rebuilt() {
				t.newer = append(t.newer, p)
			}
		}
	}
}

// rebuilt tells whether t is built anew for no input of its own: it is forced,
// or a parent is, or has a newer generation than t.
func (t *target) rebuilt() bool { return t.forced || len(t.newer) > 0 }

// changed tells whether the key differs from then's.
func (t *target) changed() bool {
	return t.old != t.key && (t.old == nil || t.old.Digest != t.key.Digest)
}

func (t *target) testsChanged() bool {
	return t.old != t.key && (t.old == nil || t.old.TestsKey != t.key.TestsKey)
}

// decide gives every chosen target its verdict.
func (m *maker) decide() {
	for _, t := range m.order {
		if t.chosen && (t.changed() || t.testsChanged() || t.rebuilt()) {
			for _, o := range t.node {
				o.affected = true
			}
		}
	}
	for _, t := range m.order {
		if !t.chosen {
			continue
		}
		if m.state.Known {
			m.fromRegistry(t)
		} else {
			m.fromGit(t)
		}
		if reasons := m.because(t); len(reasons) > 0 {
			t.reasons = append(reasons, t.reasons...)
		}
		t.decided = true
	}
}

// fromGit decides without the registry: what changed is built.
func (m *maker) fromGit(t *target) {
	t.action, t.build, t.test = model.ActionNone, model.StepDone, model.StepDone
	switch {
	case t.changed() || t.rebuilt():
		t.action, t.build, t.test = model.ActionBuild, model.StepRun, model.StepRun
	case t.testsChanged():
		t.test = model.StepRun
	}
}

// fromRegistry decides by what is there under the key.
func (m *maker) fromRegistry(t *target) {
	g := t.generation
	own, inOwn := m.content(m.state.Repositories, t)
	read, inRead := m.content(m.state.Read, t)
	t.build, t.test = model.StepRun, model.StepRun
	switch {
	case inOwn && own.Generation == g:
		t.digest = own.Digest
		m.present(t)
	case inRead && read.Generation == g:
		t.digest = read.Digest
		t.action = model.ActionReuse
		t.reasons = []model.Reason{registry("copied from " + m.req.ReadPrefix)}
	default:
		t.action = model.ActionBuild
		if !t.changed() && !t.rebuilt() {
			t.reasons = []model.Reason{m.absent(t)}
		}
	}
}

// present decides for bytes that the scope has already: which steps are done.
func (m *maker) present(t *target) {
	t.action = model.ActionNone
	if t.changed() {
		t.action = model.ActionReuse
		t.reasons = []model.Reason{registry("the registry has these bytes already")}
	}
	if t.digest == "" {
		t.action = model.ActionReuse
		t.reasons = append(t.reasons, registry("its build was not recorded"))
		return
	}
	t.build = model.StepDone
	if m.tested(t, t.digest) {
		t.test = model.StepDone
		return
	}
	if t.old == nil || !t.testsChanged() {
		t.reasons = append(t.reasons, registry("its tests have not passed yet"))
	}
}

// absent says why bytes that nobody changed must be made.
func (m *maker) absent(t *target) model.Reason {
	for _, o := range t.node {
		if o != t && m.existing(o) == t.generation && t.generation > 0 {
			return registry("only " + o.id.Platform.String() + " is there in this generation")
		}
	}
	return registry("the registry does not have it: it was never built, or failed the last time")
}

func registry(detail string) model.Reason {
	return model.Reason{Kind: model.ReasonRegistry, Detail: detail}
}

// tested tells whether the scope has a record that today's tests have passed
// on a digest.
func (m *maker) tested(t *target, digest model.Digest) bool {
	c, found := m.content(m.state.Repositories, t)
	return found && c.Digest == digest && c.Has(model.StepTest, model.TestStepKey(digest, t.key.TestsKey))
}

// leaveAlone takes out of a request what it does not touch: bytes that are
// missing or untested there are the protected branch's business, unless
// something that the request builds needs them.
func (m *maker) leaveAlone() {
	for _, t := range slices.Backward(m.order) {
		if !t.decided || t.affected || t.build == model.StepDone && t.test == model.StepDone {
			continue
		}
		needed := t.action == model.ActionBuild && slices.ContainsFunc(t.children, func(c *target) bool { return c.decided && c.action == model.ActionBuild })
		if needed {
			continue
		}
		if t.action == model.ActionBuild {
			t.reasons = []model.Reason{registry("not in the registry; this request does not change it")}
		} else {
			t.reasons, t.unfinished = nil, true
		}
		t.action, t.build, t.test = model.ActionNone, model.StepDone, model.StepDone
	}
}
