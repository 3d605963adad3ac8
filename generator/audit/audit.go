// Package audit reads the files that a forge's CI runs as the forge does,
// parsed, and tells what in them is weaker than it must be: rights that are
// too wide, actions that are not pinned, text that could become a command,
// secrets where they do not belong. The audits are those that zizmor, OpenSSF
// Scorecard and GitLab's own guide describe, as far as they can be answered
// without a network, and some of our own; docs/guide/hardening.md says what
// each is for.
//
// Everything here is pure: nothing is read but the texts that are given.
package audit

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// Finding is one place that an audit objects to.
type Finding struct {
	Audit   string // name of the audit
	File    string // path from the root of the repository
	Line    int    // from 1
	At      string // job and step, empty for the file itself
	Message string // one clause
}

// String is "file:3: job build: message [audit]".
func (f Finding) String() string {
	at := f.At
	if at != "" {
		at += ": "
	}
	return fmt.Sprintf("%s:%d: %s%s [%s]", f.File, f.Line, at, f.Message, f.Audit)
}

// Rules are what differs between repositories.
type Rules struct {
	// Hosted are the labels of machines that may run a stranger's code, beside
	// those that GitHub itself offers.
	Hosted []string
	// OutsideEnvironments are secrets that jobs without an environment may
	// read, too.
	OutsideEnvironments []string
	// Write are the rights beyond reading that jobs may have: a job's id and a
	// right.
	Write []Right
	// Known are versions of actions of which the commit is known:
	// "owner/name@v1.2.3" -> commit. It is beside what the pins file says.
	Known map[string]string
}

// Right is one right of one job, or of all whose ids begin with what is before
// a "*" at its end.
type Right struct{ Job, Scope string }

// of tells whether a job may have the right.
func (r Right) of(job, scope string) bool {
	begin, all := strings.CutSuffix(r.Job, "*")
	return r.Scope == scope && (r.Job == job || all && strings.HasPrefix(job, begin))
}

// Audit is one kind of weakness.
type Audit struct {
	Name string
	Doc  string // what goes wrong without it, one sentence

	github func(*github, *workflow)
	gitlab func(*gitlab)
	bots   func(*bots)
	guides func(*guides)
}

// Audits are all of them, in the order of the families.
func Audits() []Audit {
	return slices.Concat(permissionAudits, actionAudits, expressionAudits, secretAudits, triggerAudits, jobAudits, signingAudits, gitlabAudits, botAudits, identityAudits)
}

// Check runs every audit on the files that it is about, by path from the root
// of the repository. The error is a file that cannot be read.
func Check(files map[string][]byte, rules Rules) ([]Finding, error) {
	var found []Finding
	report := func(f Finding) { found = append(found, f) }
	gh, err := readGitHub(files, rules)
	if err != nil {
		return nil, err
	}
	gl, err := readGitLab(files)
	if err != nil {
		return nil, err
	}
	dependabot, err := readBots(files)
	if err != nil {
		return nil, err
	}
	texts := readGuides(files)
	for _, a := range Audits() {
		named := func(f Finding) { f.Audit = a.Name; report(f) }
		if a.github != nil {
			gh.report = named
			for _, w := range gh.workflows {
				a.github(gh, w)
			}
		}
		if a.gitlab != nil {
			gl.report = named
			a.gitlab(gl)
		}
		if a.guides != nil {
			texts.report = named
			a.guides(texts)
		}
		if a.bots != nil && dependabot != nil {
			dependabot.report = named
			a.bots(dependabot)
		}
	}
	slices.SortFunc(found, func(a, b Finding) int {
		return cmp.Or(strings.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), strings.Compare(a.Audit, b.Audit), strings.Compare(a.Message, b.Message))
	})
	return slices.Compact(found), nil
}
