package plan

import (
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// UnknownPlatformError is a platform in a request that nothing is built for.
type UnknownPlatformError struct{ Platform model.Platform }

// Error names the platform.
func (e *UnknownPlatformError) Error() string {
	return fmt.Sprintf("nothing that is planned is built for %s", e.Platform)
}

// ExitCode is that of a mistake on the command line.
func (e *UnknownPlatformError) ExitCode() int { return 2 }

// postpone takes the work for other platforms out of a request for some, unless
// something that stays needs it. The bytes count as missing still, so the next
// plan has them.
func (m *maker) postpone() error {
	if len(m.req.Platforms) == 0 {
		return nil
	}
	for _, p := range m.req.Platforms {
		if !slices.ContainsFunc(m.order, func(t *target) bool { return t.chosen && t.id.Platform == p }) {
			return &UnknownPlatformError{Platform: p}
		}
	}
	for _, t := range slices.Backward(m.order) {
		wanted := slices.Contains(m.req.Platforms, t.id.Platform) ||
			slices.ContainsFunc(t.children, func(c *target) bool { return c.decided && c.build == model.StepRun })
		if !t.decided || wanted || t.build == model.StepDone && t.test == model.StepDone {
			continue
		}
		t.reasons = append(t.reasons, registry("left for later: only other platforms were asked for"))
		t.action, t.build, t.test = model.ActionNone, model.StepDone, model.StepDone
		t.postponed = true
	}
	return nil
}
