package render

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// Limit is how near a pipeline is to one limit of a forge.
type Limit struct {
	Forge  string
	What   string
	On     string // the installations that have the limit, where not all have
	Where  string // file, job or image that is nearest; empty for all of it
	Used   int
	Kept   int // what must stay free beside it, for what only a run knows
	Max    int
	Source string // where the limit is told
	Told   bool   // more is told and not refused
	Fixed  bool   // used as much by a fleet of any size
}

// fixedLimits are those of which a pipeline uses what it was designed to use.
var fixedLimits = map[string]bool{ghDepth: true, ghDepthServer: true, ghHostedMinutes: true, ghOwnMinutes: true}

// String is "github: jobs in one matrix 2 of 256 (python)".
func (l Limit) String() string {
	s := fmt.Sprintf("%s: %s %d of %d", l.Forge, l.What, l.Used, l.Max)
	if l.Kept > 0 {
		s += fmt.Sprintf(", of which %d are kept for the plan", l.Kept)
	}
	if l.On != "" {
		s += " on " + l.On
	}
	if l.Where != "" {
		s += " (" + l.Where + ")"
	}
	return s
}

// Exceeded tells whether the forge would refuse the pipeline.
func (l Limit) Exceeded() bool { return l.Used+l.Kept > l.Max && !l.Told }

// Nearer tells whether less is left of one limit than of another, as a part of
// what can be used of it.
func (l Limit) Nearer(o Limit) bool { return l.Used*(o.Max-o.Kept) > o.Used*(l.Max-l.Kept) }

// meter collects how much is used of each limit.
type meter struct {
	forge string
	most  map[string]Limit
}

func newMeter(forge string) *meter { return &meter{forge: forge, most: map[string]Limit{}} }

// count notes one use of a limit; the largest stays, of equal ones the first
// by name.
func (m *meter) count(id string, used int, where string) { m.keep(id, used, 0, where) }

// keep notes one use of a limit, beside which some must stay free.
func (m *meter) keep(id string, used, kept int, where string) {
	l, known := m.most[id]
	all, most := used+kept, l.Used+l.Kept
	if !known || all > most || all == most && (l.Where == "" || where < l.Where) {
		m.most[id] = Limit{Used: used, Kept: kept, Where: where}
	}
}

// limits are those that generating counts, as the table has them.
func (m *meter) limits() []Limit {
	var all []Limit
	for _, b := range Bounds {
		if b.Forge != m.forge || !b.Counted() {
			continue
		}
		l := m.most[b.ID]
		l.Forge, l.What, l.On, l.Max, l.Source, l.Told = b.Forge, b.What, b.On, b.Max, b.Source, b.Does == DoesTell
		// A plan may become that large: most are far from it.
		l.Fixed = fixedLimits[b.ID] || b.ID == glJobSize && l.Where == stagePlan
		all = append(all, l)
	}
	return all
}

// Limits tells how near the pipeline and its files are to the limits of a
// forge, in a fixed order. A layout that is not decided is graph.
func Limits(p *pipeline.Pipeline, forge string, files Files) []Limit {
	m := newMeter(forge)
	switch forge {
	case pipeline.GitHub:
		m.github(&github{p: p, pins: DefaultPins()}, files)
	case pipeline.GitLab:
		m.gitlab(&gitlab{p: p}, files)
	}
	return onSite(m.limits(), p)
}

// LimitError is a pipeline that a forge would refuse.
type LimitError struct {
	Limits []Limit
	Hint   string // what may help, empty where nothing does
}

// Error names every limit that is exceeded, and where the forge tells of it.
func (e *LimitError) Error() string {
	var all []string
	for _, l := range e.Limits {
		all = append(all, l.String()+", see "+l.Source)
	}
	s := "the forge would refuse the pipeline: " + strings.Join(all, "; ")
	if e.Hint != "" {
		s += "\nhint: " + e.Hint
	}
	return s
}

// ExitCode is that of an invalid fleet.
func (e *LimitError) ExitCode() int { return 3 }

// CheckLimits is an error when any of the limits is exceeded.
func CheckLimits(limits []Limit) error {
	if over := exceeded(limits); over != nil {
		return &LimitError{Limits: over}
	}
	return nil
}

func exceeded(limits []Limit) []Limit {
	var over []Limit
	for _, l := range limits {
		if l.Exceeded() {
			over = append(over, l)
		}
	}
	return over
}

// fits is an error when so much of one limit is more than the forge takes.
func fits(id string, used int, where string) error {
	m := newMeter(boundOf(id).Forge)
	m.count(id, used, where)
	return CheckLimits(m.limits())
}
