package doctor

import (
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// onGitLab judges a protected environment.
func (f *Forge) onGitLab(x *Finding, p place, all []forge.Environment) {
	i := slices.IndexFunc(all, func(e forge.Environment) bool { return e.Name == p.name })
	switch {
	case i >= 0 && all[i].Restrict && (all[i].Approvals || !p.asks):
		x.Says = "it is as it should be"
		return
	case i < 0 && p.asks:
		x.Says = "it is not protected, so nobody must agree to a promotion"
	case p.asks:
		x.Says = "nobody must agree to a promotion"
	default:
		x.Says = "a job of any branch may enter"
	}
	x.State = Warn
	const maintainers = `":[{"access_level":40}]`
	var body []string
	call := "-X POST projects/@PROJECT@/protected_environments"
	if i < 0 {
		body = append(body, `"name":"`+p.name+`"`)
	} else {
		call = "-X PUT projects/@PROJECT@/protected_environments/" + p.name
	}
	if i < 0 || !all[i].Restrict {
		body = append(body, `"deploy_access_levels`+maintainers)
	}
	if p.asks && (i < 0 || !all[i].Approvals) {
		body = append(body, `"approval_rules`+maintainers)
	}
	// glab makes no lists of the names of fields, as gh does.
	x.Mend = f.mend("", "echo '{"+strings.Join(body, ",")+"}' | glab api "+call+" -H 'Content-Type: application/json' --input -")
}

// scoped looks whether the secrets of one image reach its jobs alone: on GitLab
// a variable says so itself. The first image that reads one has the commands
// for all that do, so that it goes only when each has its own.
func (f *Forge) scoped(x *Finding, p place, places []place, variables []forge.Variable) {
	var open, gone []string
	for _, v := range variables {
		if v.Scope != "*" || !slices.Contains(p.secrets, v.Name) {
			continue
		}
		open = append(open, v.Name)
		readers := slices.DeleteFunc(slices.Clone(places), func(other place) bool { return !slices.Contains(other.secrets, v.Name) })
		if readers[0].name != p.name {
			x.Mend = append(x.Mend, "see environment "+readers[0].name+", for "+v.Name)
			continue
		}
		flags := wanted{guarded: v.Protected}.flags()
		for _, reader := range readers {
			if !own(variables, v.Name, reader.name) {
				x.Mend = append(x.Mend, "glab variable set "+v.Name+flags+" --scope "+reader.name+" -R "+f.Project)
			}
		}
		if !slices.ContainsFunc(f.wanted(), func(w wanted) bool { return w.name == v.Name || w.instead == v.Name }) {
			gone = append(gone, "glab variable delete "+v.Name+" --scope '*' -R "+f.Project)
		}
	}
	x.Mend = append(x.Mend, gone...)
	if x.Says = "no other job reads them"; open != nil {
		x.State, x.Says = Warn, fmt.Sprintf("every job reads %s, whatever its environment", strings.Join(open, ", "))
	}
}

// own tells whether an environment has a variable of its own.
func own(variables []forge.Variable, name, environment string) bool {
	return slices.ContainsFunc(variables, func(v forge.Variable) bool {
		return v.Name == name && v.Scope != "*" && fits(v.Scope, environment)
	})
}
