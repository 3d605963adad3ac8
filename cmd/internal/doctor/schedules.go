package doctor

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// timed is what the clock should start.
type timed struct{ job, cron string }

// timed is all of it.
func (f *Forge) timed() []timed {
	s := f.Settings.Triggers.Schedule
	all := []timed{{"lock", s.Lock}, {"bases", s.Bases}, {"rescan", s.Rescan}}
	return slices.DeleteFunc(all, func(t timed) bool {
		return t.cron == "" || t.cron == model.TriggerOff || t.job == "rescan" && !f.Pipeline.Judging.On
	})
}

// schedules looks whether the clock starts what it should.
func (f *Forge) schedules(ctx context.Context, repository *forge.Repository) Report {
	wanted := f.timed()
	if len(wanted) == 0 {
		return nil
	}
	x := Finding{Area: f.Name, Check: "schedules", State: OK, Says: "the clock starts all of them", Why: "the lock is refreshed, the bases are built anew and prod is judged anew by the clock"}
	all, err := f.Setup.Schedules(ctx)
	if err != nil && !errors.Is(err, forge.ErrAbsent) {
		return Report{unseen(x, err)}
	}
	var r Report
	if f.github() {
		r = append(f.inFork(ctx, repository, x), f.workflows(x, wanted, all)...)
	} else {
		for _, t := range wanted {
			r = append(r, f.schedule(x, t, all)...)
		}
	}
	if len(r) == 0 {
		return Report{x}
	}
	return r
}

// inFork says that a fork's jobs skip what the clock starts, unless a variable
// wants it.
func (f *Forge) inFork(ctx context.Context, r *forge.Repository, x Finding) Report {
	if !r.Fork {
		return nil
	}
	all, err := f.Setup.Variables(ctx)
	if err != nil {
		return Report{unseen(x, err)}
	}
	if slices.ContainsFunc(all, func(v forge.Variable) bool {
		return v.Name == forge.ScheduleVariable && strings.EqualFold(v.Value, "true") // as the condition of the jobs compares
	}) {
		return nil
	}
	x.State, x.Says = Warn, "this is a fork, in which every scheduled job is skipped: its variable "+forge.ScheduleVariable+" is not true"
	x.Mend = f.mend("gh variable set "+forge.ScheduleVariable+" --body true -R @PROJECT@", "")
	return Report{x}
}

// workflows looks at GitHub's, which it may have switched off.
func (f *Forge) workflows(x Finding, wanted []timed, all []forge.Schedule) Report {
	var r Report
	for _, s := range all {
		name := path.Base(s.Name)
		if s.Active || !strings.HasPrefix(name, "rootfsgen-") {
			continue
		}
		y := x
		y.State, y.Check, y.Says = Fail, "schedule "+s.Name, "it is switched off"
		if s.Why != "" {
			y.Says += ": " + s.Why + " (GitHub does so in a fork, and after 60 days without a commit)"
		}
		y.Mend = f.mend("gh workflow enable "+name+" -R @PROJECT@", "")
		r = append(r, y)
	}
	for _, t := range wanted {
		name := "rootfsgen-" + t.job + ".yml"
		if !slices.ContainsFunc(all, func(s forge.Schedule) bool { return path.Base(s.Name) == name }) {
			y := x
			y.State, y.Check, y.Says = Warn, "schedule "+name, "the default branch has no such workflow"
			y.Mend = []string{"rootfsgen generate, then commit and push " + name}
			r = append(r, y)
		}
	}
	return r
}

// schedule looks for one of GitLab's, which it keeps outside of its files.
func (f *Forge) schedule(x Finding, t timed, all []forge.Schedule) Report {
	x.Check = "schedule " + t.job
	ours := func(s forge.Schedule) bool { return s.Starts == t.job }
	on := func(s forge.Schedule) bool { return ours(s) && s.Ref == f.Settings.DefaultBranch }
	if slices.ContainsFunc(all, func(s forge.Schedule) bool { return on(s) && s.Active }) {
		return nil
	}
	change := func(s forge.Schedule, what string) []string {
		return f.mend("", fmt.Sprintf("glab api -X PUT projects/@PROJECT@/pipeline_schedules/%d -f %s", s.ID, what))
	}
	if i := slices.IndexFunc(all, on); i >= 0 {
		x.State, x.Says, x.Mend = Fail, fmt.Sprintf("%q is switched off", all[i].Name), change(all[i], "active=true")
		return Report{x}
	}
	if i := slices.IndexFunc(all, ours); i >= 0 {
		x.State, x.Says = Fail, fmt.Sprintf("%q is for the branch %s, on which it starts nothing", all[i].Name, all[i].Ref)
		x.Mend = change(all[i], "ref=@BRANCH@")
		return Report{x}
	}
	x.State, x.Says = Warn, "there is none with the variable "+forge.ScheduleVariable+" = "+t.job+": GitLab keeps schedules outside of its files"
	x.Mend = f.mend("", fmt.Sprintf("glab schedule create --cron %q --ref @BRANCH@ --description %q --variable %s:%s -R %s", t.cron, "rootfsgen "+t.job, forge.ScheduleVariable, t.job, f.Project))
	return Report{x}
}
