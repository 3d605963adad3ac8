package doctor

import (
	"context"
	"errors"
	"maps"
	"net/url"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// The environments that jobs name.
const (
	prod    = "prod"
	signing = "signing"
	lock    = "lock"
	ofImage = "image-" // and the image's name
)

// place is an environment that jobs name.
type place struct {
	name    string
	why     string
	asks    bool     // somebody must agree to what happens there
	or      bool     // somebody's agreement is as good as a rule for branches
	secrets []string // that it may hold, where only one image reads them
	// branches and tags are what its jobs run for, the tags as a pattern.
	branches, tags []string
}

// environments looks at every environment that jobs name: without a rule for
// branches any branch's job may name it, and have what belongs to it.
func (f *Forge) environments(ctx context.Context) Report {
	places := f.places()
	all, err := f.Setup.Environments(ctx)
	var variables []forge.Variable
	if err == nil && !f.github() && slices.ContainsFunc(places, func(p place) bool { return p.secrets != nil }) {
		variables, err = f.Setup.Variables(ctx)
	}
	var r Report
	for _, p := range places {
		x := Finding{Area: f.Name, Check: "environment " + p.name, State: OK, Why: p.why}
		switch {
		case err != nil && !errors.Is(err, forge.ErrAbsent): // GitLab's free tier has none
			x = unseen(x, err)
		case f.github():
			f.onGitHub(&x, p, all)
		case p.secrets != nil:
			f.scoped(&x, p, places, variables)
		default:
			f.onGitLab(&x, p, all)
		}
		r = append(r, x)
	}
	return r
}

// places are the environments of the pipeline's jobs, prod first.
func (f *Forge) places() []place {
	of := map[string]*place{
		prod:    {name: prod, asks: true, why: "a promotion waits for somebody's approval there, and clouds know a promotion by that name"},
		signing: {name: signing, why: "jobs read the key to sign with there"},
		lock:    {name: lock, why: "it may hold the token that opens requests"},
	}
	seen := map[string]bool{prod: true}
	for _, kind := range slices.Sorted(maps.Keys(f.Pipeline.Fixed)) {
		j := f.Pipeline.Fixed[kind]
		name := j.Environment
		if kind == pipeline.Lock && f.github() {
			name = lock // GitLab's job reads a protected variable instead
		}
		if p := of[name]; p != nil && len(j.Events) > 0 {
			seen[name] = true
			f.lead(p, j.Events)
		}
	}
	var releases []string // a release builds what no push has built
	for _, kind := range slices.Sorted(maps.Keys(f.Pipeline.Fixed)) {
		if slices.Contains(f.Pipeline.Fixed[kind].Events, pipeline.Release) {
			releases = []string{f.Settings.ReleaseTags}
		}
	}
	var all []place
	for _, name := range []string{prod, signing, lock} {
		if seen[name] {
			all = append(all, *of[name])
		}
	}
	for n := range f.Pipeline.Images {
		if i := &f.Pipeline.Images[n]; len(i.Secrets) > 0 {
			all = append(all, place{
				name: ofImage + i.ID, or: true, secrets: i.Secrets, branches: []string{f.Settings.DefaultBranch}, tags: releases,
				why: "builds of " + i.ID + " read " + strings.Join(i.Secrets, ", ") + " there; requests and the merge queue cannot build it where only branches and tags are let in, and wait where somebody reviews",
			})
		}
	}
	return all
}

// lead adds what the events run for.
func (f *Forge) lead(p *place, events []pipeline.Event) {
	add := func(to *[]string, s string) {
		if !slices.Contains(*to, s) {
			*to = append(*to, s)
		}
	}
	for _, e := range events {
		switch e {
		case pipeline.Push, pipeline.Manual, pipeline.ScheduleLock, pipeline.ScheduleBases, pipeline.ScheduleRescan:
			add(&p.branches, f.Settings.DefaultBranch)
		case pipeline.Merged:
			add(&p.branches, f.Settings.ChannelBranch)
		case pipeline.Release:
			add(&p.tags, f.Settings.ReleaseTags)
		case pipeline.Request, pipeline.ForkRequest, pipeline.Queue, pipeline.Closed:
			// What belongs to the environment is not for requests.
		}
	}
}

// onGitHub judges the rules of a place: who must agree, and what gets in.
func (f *Forge) onGitHub(x *Finding, p place, all []forge.Environment) {
	var e forge.Environment
	i := slices.IndexFunc(all, func(e forge.Environment) bool { return strings.EqualFold(e.Name, p.name) })
	if i >= 0 {
		e = all[i]
	}
	unasked := p.asks && !e.Approvals
	open := !e.Restrict && (!p.or || !e.Approvals)
	branches, tags := f.refused(p, e)
	more := f.strangers(p, e)
	var says []string
	note := func(is bool, text string) {
		if is {
			says = append(says, text)
		}
	}
	refused := strings.Join(slices.Concat(branches, tags), ", ")
	shut := e.Restrict && refused != ""
	note(shut && !p.or, refused+" may not enter: those jobs fail")
	note(shut && p.or, refused+" may not enter: jobs that must build the image there fail")
	note(i < 0, "it is not set up")
	note(unasked, "nobody must agree to a promotion")
	note(open, "a job of any branch may enter")
	note(len(more) > 0, "a job of "+strings.Join(more, ", ")+" may enter")
	switch {
	case len(says) == 0:
		x.Says = "it is as it should be"
		return
	case shut && (!p.or || len(branches) > 0):
		x.State = Fail
	default:
		x.State = Warn
	}
	x.Says = strings.Join(says, ", and ")
	f.admit(x, p, e, i >= 0)
	if len(more) > 0 {
		at := at(p)
		x.Mend = append(x.Mend, f.mend("gh api "+at+" --jq '.branch_policies[]|[.id,.type,.name]' # then, with the number of each: gh api -X DELETE "+at+"/NUMBER", "")...)
	}
}

// at is the address of what a place of GitHub lets in.
func at(p place) string {
	return "repos/@PROJECT@/environments/" + url.PathEscape(p.name) + "/deployment-branch-policies"
}

// admit says how a place of GitHub comes to ask whom it should, and to let in
// what it should and it alone.
func (f *Forge) admit(x *Finding, p place, e forge.Environment, there bool) {
	add := func(line string) { x.Mend = append(x.Mend, f.mend(line, "")...) }
	put := "gh api -X PUT " + path.Dir(at(p)) + " --input -"
	branches, tags := f.refused(p, e)
	var what []string
	if p.asks && !e.Approvals {
		what = append(what, "name required reviewers")
	}
	if !e.Restrict || e.Protected && len(branches)+len(tags) > 0 {
		what = append(what, "let selected branches and tags in")
		branches, tags = p.branches, p.tags
	}
	const without = "without a review: docs/guide/hardening.md, Secrets of a build"
	switch {
	case p.or && !there:
		add(reviewed("null") + put + " # or " + without)
		return
	case p.or && !e.Restrict:
		add(click(p.name, []string{"name required reviewers; " + without}))
		return
	case !there:
		add(policies(p.asks) + put)
	case len(what) > 0:
		add(click(p.name, what))
	}
	for _, b := range branches {
		add("gh api -X POST " + at(p) + " -f type=branch -f name='" + b + "'")
	}
	for _, t := range tags {
		add("gh api -X POST " + at(p) + " -f type=tag -f name='" + t + "'")
	}
}

// click says what to set in an environment that is there: the API's request
// would replace its reviewers, its timer and whatever else it has.
func click(name string, what []string) string {
	return "in the repository's settings, Environments, " + name + ": " + strings.Join(what, ", and ")
}

// policies writes what a new environment is to be.
func policies(reviewers bool) string {
	const selected = `{"protected_branches":false,"custom_branch_policies":true}`
	if reviewers {
		return reviewed(selected)
	}
	return `echo '{"deployment_branch_policy":` + selected + `}' | `
}

// reviewed writes a new environment that asks somebody, whom a person names.
func reviewed(policy string) string {
	return `echo '{"reviewers":[{"type":"User","id":ID}],"deployment_branch_policy":` + policy + `}' | sed "s/ID/$(gh api users/LOGIN --jq .id)/" | `
}

// refused are the branches and tags of a place's jobs that no pattern names.
func (f *Forge) refused(p place, e forge.Environment) (branches, tags []string) {
	for _, b := range p.branches {
		if !e.Protected && !slices.ContainsFunc(e.Branches, func(pattern string) bool { return anything(pattern) || fits(pattern, b) }) {
			branches = append(branches, b)
		}
	}
	for _, t := range p.tags {
		if !slices.ContainsFunc(e.Tags, func(pattern string) bool { return anything(pattern) || release(pattern, t) }) {
			tags = append(tags, t)
		}
	}
	return branches, tags
}

// strangers are the patterns that let in what the place's jobs do not run for.
func (f *Forge) strangers(p place, e forge.Environment) []string {
	var all []string
	for _, b := range e.Branches {
		if b != f.Settings.DefaultBranch && !slices.Contains(p.branches, b) {
			all = append(all, "branch "+b)
		}
	}
	for _, t := range e.Tags {
		if anything(t) || !release(t, f.Settings.ReleaseTags) {
			all = append(all, "tag "+t)
		}
	}
	return all
}

// anything tells whether a pattern fits every name.
func anything(pattern string) bool { return strings.Trim(pattern, "*/") == "" }

// fits tells whether a pattern fits one name.
func fits(pattern, name string) bool {
	ok, err := path.Match(pattern, name)
	return err == nil && ok
}

// release tells whether a pattern fits tags that the glob of releases does: two
// patterns cannot be compared, so tags that people give are tried.
func release(pattern, glob string) bool {
	return slices.ContainsFunc([]string{"1", "1.2", "1.2.3", "1.2.3-rc.1", "2026.11.22"}, func(version string) bool {
		return fits(pattern, strings.ReplaceAll(glob, "*", version))
	})
}
