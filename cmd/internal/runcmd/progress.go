package runcmd

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// progress prints a line for everything that begins and ends.
type progress struct {
	app   *app.App
	tests map[string]int // how many each target has
}

func newProgress(a *app.App, p *model.Plan) *progress {
	tests, name := map[string]int{}, walk.Names(p)
	for n := range p.Entries {
		e := &p.Entries[n]
		tests[name(e.ID())] = len(e.Tests)
	}
	return &progress{app: a, tests: tests}
}

func (p *progress) event(e walk.Event) {
	if line := p.line(e); line != "" && (!p.app.Quiet || e.End && e.Err != nil) {
		fmt.Fprintln(p.app.Err, line)
	}
	if e.End {
		p.app.Annotate(e.Err)
	}
}

func (p *progress) line(e walk.Event) string {
	if !e.End {
		if e.Step == model.StepBuild {
			return e.Name + ": building"
		}
		return ""
	}
	if reason, skipped := step.Skipped(e.Err); skipped {
		if !p.app.Verbose {
			return ""
		}
		return fmt.Sprintf("%s: %s: %s", e.Name, e.Step, reason)
	}
	if why, untested := step.IsUntested(e.Err); untested {
		return fmt.Sprintf("%s: untested: %v", e.Name, why)
	}
	if errors.Is(e.Err, context.Canceled) {
		return e.Name + ": stopped"
	}
	if r, refused := errors.AsType[*gate.Refused](e.Err); refused {
		return e.Name + ": refused:\n" + indented(strings.Join(r.Why, "\n"))
	}
	if e.Err != nil {
		return fmt.Sprintf("%s: %s failed after %s:\n%s", e.Name, e.Step, took(e.Took), indented(walk.Why(e.Err)))
	}
	switch e.Step {
	case model.StepBuild:
		return fmt.Sprintf("%s: built in %s", e.Name, took(e.Took))
	case model.StepTest:
		n := p.tests[e.Name]
		return fmt.Sprintf("%s: tested %d of %d in %s", e.Name, n, n, took(e.Took))
	case model.StepSBOM:
		return fmt.Sprintf("%s: listed in %s", e.Name, took(e.Took))
	case model.StepScan:
		return fmt.Sprintf("%s: scanned in %s", e.Name, took(e.Took))
	case model.StepGate:
		return e.Name + ": passes the scan policy"
	}
	return e.Name + ": merged"
}

func took(d time.Duration) string { return seconds(d) + " s" }

func seconds(d time.Duration) string { return fmt.Sprintf("%.1f", d.Seconds()) }

func indented(s string) string { return "  " + strings.ReplaceAll(strings.TrimSpace(s), "\n", "\n  ") }
