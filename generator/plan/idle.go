package plan

import "github.com/rootfsgen/rootfsgen/generator/model"

// findIdle marks the targets of the nodes to which nothing happens, and counts
// these nodes, where the request leaves them out: of a large fleet they are
// nearly all.
func (m *maker) findIdle() int {
	if !m.req.Busy {
		return 0
	}
	idle := m.req.Idle
	for _, t := range m.order {
		if t.node[0] == t && m.idle(t.node) {
			idle++
			for _, p := range t.node {
				p.idle = true
			}
		}
	}
	return idle
}

// idle tells whether nothing happens to any platform of a node, nor to what
// they become together. A node that the plan is not wholly about is not idle.
func (m *maker) idle(platforms []*target) bool {
	for _, t := range platforms {
		if !t.chosen || t.action != model.ActionNone || t.build != model.StepDone || t.test != model.StepDone {
			return false
		}
	}
	x := model.Index{Generation: platforms[0].generation}
	if m.state.Known {
		x.Identity = identity(platforms[0].id.Node(), platforms)
	}
	return m.merging(platforms, &x) == model.StepDone
}
