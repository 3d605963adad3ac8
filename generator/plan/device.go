package plan

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// testClass is the machine class of a target's tests, empty where it is that
// of its build or there is none.
func (m *maker) testClass(t *target) string {
	return m.now.Fleet.Settings.TestClass(t.image, t.id.Platform)
}

// findUntested marks what no machine can test, and what is built from it:
// neither is published.
func (m *maker) findUntested() {
	for _, t := range m.order {
		if t.test == model.StepRun && t.image.Device() != "" && m.testClass(t) == "" {
			t.test = model.StepUntested
			t.reasons = append(t.reasons, registry("untested: no class of machines has "+t.image.Device()))
		}
		t.untested = t.test == model.StepUntested || slices.ContainsFunc(t.parents, func(p *target) bool { return p.untested })
	}
}

// untestedNotes says which images stay untested for want of a machine: one
// sentence for each device.
func (m *maker) untestedNotes() []string {
	images := map[string][]string{}
	var devices []string
	for _, t := range m.order {
		if t.test != model.StepUntested {
			continue
		}
		device := t.image.Device()
		if images[device] == nil {
			devices = append(devices, device)
		}
		if name := t.id.Node(); !slices.Contains(images[device], name) {
			images[device] = append(images[device], name)
		}
	}
	slices.Sort(devices)
	notes := make([]string, len(devices))
	for i, d := range devices {
		notes[i] = fmt.Sprintf("Untested, and so neither published nor what is built from it: %s. No class of machines under runners has devices: [%s].", several(images[d]), d)
	}
	return notes
}

// several names some and counts the others.
func several(names []string) string {
	const most = 5
	slices.Sort(names)
	if len(names) <= most {
		return strings.Join(names, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(names[:most], ", "), len(names)-most)
}

// checkDevice refuses an entry of a plan that was read whose device or machine
// class no planner writes.
func checkDevice(e *model.Entry) error {
	for _, name := range []string{e.Device, e.TestRunner} {
		if name == "" {
			continue
		}
		if err := model.CheckImageName(name); err != nil {
			return fmt.Errorf("its device or the class of its tests: %w", err)
		}
	}
	if e.TestRunner != "" && e.Device == "" {
		return fmt.Errorf("its tests have the class %q, and need no device", e.TestRunner)
	}
	return nil
}
