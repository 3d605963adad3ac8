package gate

import (
	"cmp"
	"fmt"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

const day = 24 * time.Hour

// exception is one of a policy, read.
type exception struct {
	model.Exception
	purl             model.PURL
	readable         bool
	created, expires time.Time // expires is the end of the last day
}

func readException(x model.Exception) exception {
	e := exception{Exception: x}
	var err, more, last error
	e.purl, err = model.ParsePURL(x.PURL)
	e.created, more = time.Parse(time.DateOnly, x.Created)
	e.expires, last = time.Parse(time.DateOnly, x.Expires)
	e.expires = e.expires.Add(day)
	e.readable = err == nil && more == nil && last == nil && x.ID != ""
	return e
}

// readExceptions are those of a policy that are for a target, the last to end
// first: where several allow the same, that is the one which is named.
func readExceptions(p model.Policy, target model.TargetID) []exception {
	var out []exception
	for _, x := range p.Exceptions {
		if covers(x, target) {
			out = append(out, readException(x))
		}
	}
	slices.SortFunc(out, func(a, b exception) int {
		return cmp.Or(
			b.expires.Compare(a.expires), strings.Compare(a.ID, b.ID), strings.Compare(a.PURL, b.PURL), strings.Compare(a.Created, b.Created),
			strings.Compare(a.Reason, b.Reason), strings.Compare(a.Owner, b.Owner), strings.Compare(a.ApprovedBy, b.ApprovedBy),
		)
	})
	return out
}

// covers tells whether an exception is for a target.
func covers(x model.Exception, target model.TargetID) bool {
	if len(x.Platforms) > 0 && !slices.Contains(x.Platforms, target.Platform.String()) {
		return false
	}
	return len(x.Images) == 0 || slices.ContainsFunc(x.Images, func(glob string) bool {
		return slices.ContainsFunc([]string{target.Image, target.Image + ":" + target.Tag, target.Image + ":" + target.Tag + ":" + target.Variant}, func(name string) bool {
			fits, err := path.Match(glob, name)
			return err == nil && fits
		})
	})
}

// means tells whether an exception speaks of a finding, whatever the day.
func (e exception) means(f *model.Finding) bool {
	if !f.Has(e.ID) {
		return false
	}
	found, err := model.ParsePURL(f.PURL)
	return err == nil && e.readable && e.purl.Covers(found)
}

// allows tells whether an exception lets a finding be there today, and what
// should be known of it.
func (e exception) allows(f *model.Finding, p model.Policy, at time.Time) (holds bool, warning string) {
	if !e.means(f) {
		return false, ""
	}
	life := e.expires.Add(-day).Sub(e.created)
	limit, limited := p.MaxLifetime[f.Severity]
	switch {
	case e.ApprovedBy == "" || model.SamePerson(e.Owner, e.ApprovedBy):
		return false, e.say("does not hold: nobody but its owner approved it")
	case !at.Before(e.expires):
		return false, e.say("ended on %s", e.Expires)
	case at.Before(e.created):
		return false, e.say("begins on %s", e.Created)
	case !limited || life > limit:
		return false, e.say("does not hold: it is for %s, and one of a %s finding may be for %s", span(life), f.Severity, span(limit))
	case e.expires.Sub(at) <= p.WarnBefore:
		return true, e.say("ends on %s, %s", e.Expires, inDays(daysLeft(e.expires, at)))
	}
	return true, ""
}

// together are those of several exceptions that let an advisory be there, which
// stands for several vulnerabilities: one for each of them. None where any is
// missing.
func together(f *model.Finding, partial []exception) (out []exception) {
	for _, id := range f.Vulnerabilities() {
		n := slices.IndexFunc(partial, func(e exception) bool { return strings.EqualFold(e.ID, id) })
		if n < 0 {
			return nil
		}
		out = append(out, partial[n])
	}
	return out
}

func (e exception) say(format string, args ...any) string {
	return fmt.Sprintf("the exception for %s in %s ", e.ID, e.PURL) + fmt.Sprintf(format, args...)
}

// daysLeft is how many whole days an exception still holds; negative where it
// has ended.
func daysLeft(end, at time.Time) int {
	left := end.Sub(at)
	if left <= 0 {
		return -int(-left/day) - 1
	}
	return int(left / day)
}

func inDays(n int) string {
	switch n {
	case 0:
		return "today"
	case 1:
		return "in 1 day"
	}
	return fmt.Sprintf("in %d days", n)
}

// Ending is an exception that ends soon, or has ended.
type Ending struct {
	model.Exception
	Days int `json:"days"` // whole days for which it still holds, 0 on its last; negative where it has ended
}

// Expiring lists the exceptions of a policy that end within the time that it
// warns before, and those that have ended, the first to end first.
func Expiring(p model.Policy, at time.Time) []Ending {
	out := []Ending{}
	for _, x := range p.Exceptions {
		e := readException(x)
		if e.readable && e.expires.Sub(at) <= p.WarnBefore {
			out = append(out, Ending{Exception: x, Days: daysLeft(e.expires, at)})
		}
	}
	slices.SortStableFunc(out, func(a, b Ending) int {
		return cmp.Or(strings.Compare(a.Expires, b.Expires), strings.Compare(a.ID, b.ID), strings.Compare(a.PURL, b.PURL))
	})
	return out
}

// Unused lists the exceptions that none of the verdicts needed. Others are
// targets that were not judged: what is for one of them, or for one whose scan
// is incomplete, may be needed there and is not listed.
func Unused(p model.Policy, verdicts []model.Verdict, others []model.TargetID) []model.Exception {
	out := []model.Exception{}
	for _, x := range p.Exceptions {
		e := readException(x)
		elsewhere := slices.ContainsFunc(others, func(t model.TargetID) bool { return covers(x, t) })
		if !elsewhere && !slices.ContainsFunc(verdicts, func(v model.Verdict) bool { return e.neededBy(&v) }) {
			out = append(out, x)
		}
	}
	return out
}

// neededBy tells whether a verdict would be another one without the exception,
// as far as can be known.
func (e exception) neededBy(v *model.Verdict) bool {
	if !covers(e.Exception, v.ID()) {
		return false
	}
	means := func(j model.Judged) bool { return e.means(&j.Finding) }
	return v.Outcome == model.VerdictIncomplete || slices.ContainsFunc(v.Excepted, means) || slices.ContainsFunc(v.Blocking, means)
}
