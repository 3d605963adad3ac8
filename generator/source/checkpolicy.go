package source

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// checkDay is for days such as 2026-11-01.
func checkDay(s string) error {
	if _, err := time.Parse(time.DateOnly, s); err != nil {
		return fmt.Errorf("invalid day %q: expected one such as 2026-11-01", s)
	}
	return nil
}

// checkPolicy refuses what each key alone does not show; root is what the
// whole file says, with what was refused of it.
func (f *file) checkPolicy(p *model.Policy, root value) {
	for _, kind := range []string{"fixable", "unfixable"} {
		f.checkBlocked("severity."+kind, root.at("severity", kind, "block"))
	}
	f.checkPolicySources(root.at("sources"))
	for _, x := range root.at("exceptions", "list").items {
		f.checkException(p, x)
	}
}

// at follows keys into the mappings of a record; what is not there is the zero
// value, whose line is 0.
func (v value) at(keys ...string) value {
	for _, key := range keys {
		n := slices.IndexFunc(v.pairs, func(p pair) bool { return p.key == key })
		if n < 0 {
			return value{}
		}
		v = v.pairs[n].value
	}
	return v
}

// checkBlocked refuses a list that lets pass what is worse than what it stops.
func (f *file) checkBlocked(what string, v value) {
	for _, item := range v.items {
		for _, worse := range givenSeverities[:max(slices.Index(givenSeverities, item.text), 0)] {
			if !slices.Contains(v.texts(), worse) {
				f.errorf(RuleBadValue, item.pos, "add "+worse, "%s.block has %s and not %s, which is worse", what, item.text, worse)
			}
		}
	}
}

// checkPolicySources refuses a source that is there twice, a tool of Google's
// scanner, and how often the local one would be asked.
func (f *file) checkPolicySources(v value) {
	seen := map[string]bool{}
	for _, item := range v.items {
		s, _ := item.record.(model.PolicySource)
		if s.Name != "" && seen[s.Name] {
			f.errorf(RuleDuplicateItem, item.pos, "remove one of them", "sources has %q twice", s.Name)
		}
		seen[s.Name] = true
		if s.Tool != "" && s.Name == model.SourceArtifactAnalysis {
			f.errorf(RuleNoEffect, item.at("tool").pos, "leave it out", "tool is of the source %s", model.SourceLocal)
		}
		if poll := item.at("wait", "poll"); poll.pos.Line > 0 && s.Name == model.SourceLocal {
			f.errorf(RuleNoEffect, poll.pos, "leave it out", "poll is of the source %s: the other one is not asked again, but ends", model.SourceArtifactAnalysis)
		}
	}
}

// checkException refuses an exception that approves itself, or that is not for
// a while.
func (f *file) checkException(p *model.Policy, v value) {
	x, _ := v.record.(model.Exception)
	if model.PersonForm.MatchString(x.Owner) && model.PersonForm.MatchString(x.ApprovedBy) && model.SamePerson(x.Owner, x.ApprovedBy) {
		f.errorf(RuleSelfApproved, v.at("approvedBy").pos, "have somebody else approve it", "%s approves an exception of their own", x.ApprovedBy)
	}
	if reason := v.at("reason"); reason.text != "" && strings.TrimSpace(reason.text) == "" {
		f.errorf(RuleBadValue, reason.pos, "say why it is allowed", "reason: must not be empty")
	}
	created, err := time.Parse(time.DateOnly, x.Created)
	if err != nil {
		return // it was said already
	}
	expires, err := time.Parse(time.DateOnly, x.Expires)
	if err != nil {
		return
	}
	longest := longestLifetime(p)
	switch life := expires.Sub(created); {
	case life < 0:
		f.errorf(RuleBadValue, v.at("expires").pos, "", "the exception ends on %s, before it begins on %s", x.Expires, x.Created)
	case life > longest:
		f.errorf(RuleLongException, v.at("expires").pos, fmt.Sprintf("let it end by %s, and renew it if it must be", created.Add(longest).Format(time.DateOnly)),
			"the exception holds for %s; the longest that exceptions.maxLifetime allows is %s", days(life), days(longest))
	}
}
