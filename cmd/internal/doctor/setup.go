package doctor

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// Forge is a repository on a forge, and what its pipelines want of it.
type Forge struct {
	Name     string // forge.GitHub or forge.GitLab
	Project  string // owner/name, or a GitLab project's path
	Setup    forge.Setup
	Settings *model.Settings
	Pipeline *pipeline.Pipeline
}

// Look reads how the repository is set up.
func (f *Forge) Look(ctx context.Context) Report {
	repository, err := f.Setup.Repository(ctx)
	if err != nil {
		return Report{unseen(Finding{Area: f.Name, Check: "repository"}, err)}
	}
	r := Report{f.repository(repository)}
	r = append(r, f.branch(ctx)...)
	r = append(r, f.tags(ctx))
	r = append(r, f.environments(ctx)...)
	r = append(r, f.outsiders(ctx, repository)...)
	r = append(r, f.runners(ctx)...)
	r = append(r, f.lost()...)
	r = append(r, f.variables(ctx)...)
	r = append(r, f.scanning(repository)...)
	if f.Settings.Channels.ByRequest() {
		r = append(r, f.merged(ctx))
	}
	return append(r, f.schedules(ctx, repository)...)
}

func (f *Forge) github() bool { return f.Name == forge.GitHub }

// mend is the command of the forge that is at hand.
func (f *Forge) mend(github, gitlab string) []string {
	line := gitlab
	if f.github() {
		line = github
	}
	if line == "" {
		return nil
	}
	project := f.Project
	if !f.github() {
		project = strings.ReplaceAll(project, "/", "%2F")
	}
	return []string{strings.NewReplacer("@PROJECT@", project, "@BRANCH@", f.Settings.DefaultBranch, "@TAGS@", f.Settings.ReleaseTags, "@CHECK@", model.ResultCheck).Replace(line)}
}

func (f *Forge) repository(r *forge.Repository) Finding {
	x := Finding{Area: f.Name, Check: "default branch", State: OK, Says: "it is " + r.DefaultBranch, Why: "only its pushes publish to testing"}
	switch {
	case r.Archived:
		x.State, x.Says = Fail, "the repository is archived: no pipeline runs"
		x.Mend = f.mend("gh repo unarchive @PROJECT@", "glab api -X POST projects/@PROJECT@/unarchive")
	case r.DefaultBranch != f.Settings.DefaultBranch:
		x.State, x.Says = Fail, fmt.Sprintf("it is %q, and rootfsgen.yaml says %q", r.DefaultBranch, f.Settings.DefaultBranch)
		x.Mend = []string{"write default_branch: " + r.DefaultBranch + " into rootfsgen.yaml, then rootfsgen generate"}
	}
	return x
}

func (f *Forge) branch(ctx context.Context) Report {
	protected := Finding{Area: f.Name, Check: "branch protection", State: OK, Says: f.Settings.DefaultBranch + " is protected", Why: "who can push there can publish"}
	required := Finding{Area: f.Name, Check: "required check", State: OK, Says: "what fails is not merged", Why: "a request must not be merged before its images were built and tested"}
	b, err := f.Setup.Branch(ctx, f.Settings.DefaultBranch)
	if err != nil {
		return Report{unseen(protected, err), unseen(required, err)}
	}
	if !b.Protected {
		protected.State, protected.Says = Warn, f.Settings.DefaultBranch+" is not protected"
		protected.Mend = f.mend(`echo '{"name":"main","target":"branch","enforcement":"active","conditions":{"ref_name":{"include":["~DEFAULT_BRANCH"],"exclude":[]}},"rules":[{"type":"pull_request","parameters":{"required_approving_review_count":1,"dismiss_stale_reviews_on_push":true,"require_code_owner_review":false,"require_last_push_approval":false,"required_review_thread_resolution":false}},{"type":"non_fast_forward"},{"type":"deletion"}]}' | gh api -X POST repos/@PROJECT@/rulesets --input -`,
			"glab api -X POST 'projects/@PROJECT@/protected_branches?name=@BRANCH@&push_access_level=0&merge_access_level=40'")
	}
	check := model.ResultCheck
	if !f.github() {
		check = "pipeline"
	}
	switch {
	case !slices.Contains(b.Required, check):
		required.State, required.Says = Warn, fmt.Sprintf("%q is not required", check)
	case b.Skips:
		required.State, required.Says = Warn, "a pipeline that was skipped counts as one that succeeded: a commit with [skip ci] in its message is merged untested"
	}
	if required.State != OK {
		required.Mend = f.mend(`echo '{"name":"rootfsgen","target":"branch","enforcement":"active","conditions":{"ref_name":{"include":["~DEFAULT_BRANCH"],"exclude":[]}},"rules":[{"type":"required_status_checks","parameters":{"strict_required_status_checks_policy":false,"required_status_checks":[{"context":"@CHECK@"}]}}]}' | gh api -X POST repos/@PROJECT@/rulesets --input -`,
			"glab api -X PUT 'projects/@PROJECT@?only_allow_merge_if_pipeline_succeeds=true&allow_merge_on_skipped_pipeline=false'")
	}
	return Report{protected, required}
}

func (f *Forge) tags(ctx context.Context) Finding {
	x := Finding{Area: f.Name, Check: "release tags", State: OK, Says: f.Settings.ReleaseTags + " is protected", Why: "who can push such a tag can ask for a promotion"}
	patterns, err := f.Setup.ProtectedTags(ctx)
	if err != nil {
		return unseen(x, err)
	}
	covered := slices.ContainsFunc(patterns, func(p string) bool {
		p = strings.TrimPrefix(p, "refs/tags/")
		return p == "~ALL" || p == "*" || p == "**" || p == "**/*" || p == f.Settings.ReleaseTags
	})
	if !covered {
		x.State, x.Says = Warn, "everybody who can push may push "+f.Settings.ReleaseTags
		if !f.github() {
			x.Says = "a release tag of " + f.Settings.ReleaseTags + " that is not protected starts nothing"
			if !slices.ContainsFunc(patterns, func(p string) bool { return release(p, f.Settings.ReleaseTags) }) {
				x.State = Fail
			}
		}
		x.Mend = f.mend(`echo '{"name":"releases","target":"tag","enforcement":"active","conditions":{"ref_name":{"include":["refs/tags/@TAGS@"],"exclude":[]}},"rules":[{"type":"creation"},{"type":"update"},{"type":"deletion"}]}' | gh api -X POST repos/@PROJECT@/rulesets --input -`,
			"glab api -X POST 'projects/@PROJECT@/protected_tags?name=@TAGS@&create_access_level=40'")
	}
	return x
}

func (f *Forge) runners(ctx context.Context) Report {
	classes := map[string][]string{}
	for class, r := range f.Pipeline.Runners {
		labels := pipeline.Labels(r, f.Name)
		own := !f.github() || !pipeline.Hosted(r, f.Name)
		if own && len(labels) > 0 {
			classes[class] = labels
		}
	}
	if len(classes) == 0 {
		return nil
	}
	machines, err := f.Setup.Runners(ctx)
	if err != nil {
		return Report{unseen(Finding{Area: f.Name, Check: "runners", Why: "a job waits for a machine that has all of its labels"}, err)}
	}
	var r Report
	for _, class := range slices.Sorted(maps.Keys(classes)) {
		r = append(r, f.runner(class, classes[class], machines))
	}
	return r
}

func (f *Forge) runner(class string, labels []string, machines []forge.Runner) Finding {
	x := Finding{Area: f.Name, Check: "runners of class " + class, Why: "a job waits for a machine that has all of its labels"}
	fits, online := 0, 0
	for _, m := range machines {
		lacks := slices.ContainsFunc(labels, func(l string) bool {
			return !slices.ContainsFunc(m.Labels, func(have string) bool { return strings.EqualFold(have, l) })
		})
		if lacks {
			continue
		}
		fits++
		if m.Online {
			online++
		}
	}
	wanted := strings.Join(labels, ", ")
	switch {
	case online > 0:
		x.State, x.Says = OK, fmt.Sprintf("%d of %d online with %s", online, fits, wanted)
	case fits > 0:
		x.State, x.Says = Warn, fmt.Sprintf("none of %d is online with %s; machines that are started for a job are not, between jobs", fits, wanted)
	default:
		x.State, x.Says = Warn, "no machine has "+wanted+"; one that is started for a job is not seen before"
		x.Mend = append([]string{fmt.Sprintf("write labels that your machines have under runners.%s.%s in rootfsgen.yaml", class, f.Name)},
			f.mend("gh api repos/@PROJECT@/actions/runners --jq '.runners[]|{name,status,labels:[.labels[].name]}'", "glab api projects/@PROJECT@/runners")...)
	}
	return x
}

// wanted is a secret or a variable that jobs read.
type wanted struct {
	name, why string
	must      bool
	guarded   bool   // it opens more than the branches that anybody may push to should have
	instead   string // name of what jobs read where it is not set, empty for nothing
	alone     bool   // what is instead opens more than these jobs should have
}

// flags are glab's for a variable that is kept as it should be.
func (w wanted) flags() string {
	if w.guarded {
		return " --masked --protected --raw"
	}
	return " --masked --raw"
}

func (f *Forge) wanted() []wanted {
	var all []wanted
	for _, l := range f.Settings.Network.Logins {
		all = append(all, wanted{name: l.Secret, why: "it logs in to " + l.Registry, must: true, guarded: !l.For(model.ScopePR) && !l.For(model.ScopeRead)})
	}
	if !f.Settings.Identity.Google.Set() && len(all) == 0 {
		all = f.scopeLogins()
	}
	if !f.github() {
		all = append(all, wanted{name: string(pipeline.VarToken), why: "jobs push the branch of the channels with it", must: f.Settings.Registry.Testing != "", guarded: true})
	}
	return all
}

// scopeLogins are the logins of the scopes that are set up. GitHub shows what an
// environment holds to nobody, and prod's belongs there.
func (f *Forge) scopeLogins() []wanted {
	var all []wanted
	plain := map[bool]string{true: model.RegistryAuth, false: "DOCKER_AUTH_CONFIG"}[f.github()]
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if f.Settings.Registry.Prefix(scope) == "" || scope == model.ScopeProd && f.github() {
			continue
		}
		all = append(all, wanted{
			name: model.RegistryAuthOf(scope), why: "jobs push to " + scope + " with it, unless their machines have a login of their own",
			instead: plain, alone: scope == model.ScopePR, guarded: scope != model.ScopePR,
		})
	}
	if len(all) > 0 {
		all = append(all, wanted{
			name: model.RegistryAuthOf(model.ScopeRead), why: "the jobs that only look, the lock's and the rescan among them, read with it, unless their machines have a login of their own",
			instead: plain, guarded: true,
		})
	}
	return all
}

func (f *Forge) variables(ctx context.Context) Report {
	var r Report
	all, err := f.Setup.Variables(ctx)
	for _, w := range f.wanted() {
		x := Finding{Area: f.Name, Check: "secret " + w.name, State: OK, Says: "it is there", Why: w.why}
		i := slices.IndexFunc(all, func(v forge.Variable) bool { return v.Name == w.name })
		switch {
		case err != nil:
			x = unseen(x, err)
		case i < 0 && w.instead != "" && !w.alone && slices.ContainsFunc(all, func(v forge.Variable) bool { return v.Name == w.instead && v.Secret }):
			x.Says = w.instead + " is there instead"
		case i < 0:
			x.State, x.Says = Warn, "it is not set"
			if w.instead != "" {
				x.Says += ": these jobs take " + w.instead + ", where that is set, which is for all scopes"
			}
			if w.must {
				x.State = Fail
			}
			x.Mend = f.mend("gh secret set "+w.name+" -R @PROJECT@", "glab variable set "+w.name+w.flags()+" -R "+f.Project)
		case !all[i].Secret:
			x.State, x.Says = Fail, "it is shown in logs"
			x.Mend = f.mend("gh variable delete "+w.name+" -R @PROJECT@ && gh secret set "+w.name+" -R @PROJECT@", "glab variable update "+w.name+w.flags()+" -R "+f.Project)
		case w.guarded && !f.github() && !all[i].Protected:
			x.State, x.Says = Fail, "jobs of every branch see it"
			x.Mend = f.mend("", "glab variable update "+w.name+w.flags()+" -R "+f.Project)
		}
		r = append(r, x)
	}
	return r
}
