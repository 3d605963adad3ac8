package pipeline

import (
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// RegistryHint says how to give the pipelines somewhere to publish.
const RegistryHint = "set registry in " + settingsFile

// provided are the labels and tags of machines that a forge provides, which
// have nothing of ours.
var provided = map[string]*regexp.Regexp{
	GitHub: regexp.MustCompile(`^(?:ubuntu|windows|macos)-(?:latest|slim|[0-9])`),
	GitLab: regexp.MustCompile(`^saas-(?:linux|windows|macos)-`),
}

// Warnings tells what would make a pipeline that can be written useless.
func (p *Pipeline) Warnings(s *model.Settings) diag.List {
	var list diag.List
	at := diag.Pos{File: settingsFile}
	list = append(list, p.unpinned()...)
	var missing []string
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if s.Registry.Prefix(scope) == "" {
			missing = append(missing, scope)
		}
	}
	switch len(missing) {
	case 0:
	case 3:
		list.Warnf("no-registry", at, RegistryHint, "the pipelines will not publish: there is no registry")
	default:
		list.Warnf("no-registry", at, "set registry."+strings.Join(missing, " and registry."), "the pipelines will not publish to %s: there is no registry for it", strings.Join(missing, " and "))
	}
	list = append(list, p.identityWarnings(s)...)
	return append(list, p.noPrograms()...)
}

// noPrograms warns of jobs that would find none of our programs: those on a
// forge's own machines, but for classes with an image, which may have them.
func (p *Pipeline) noPrograms() diag.List {
	var list diag.List
	if p.Runtime != model.RuntimeInstalled {
		return nil
	}
	for _, forge := range []string{GitHub, GitLab} {
		if !slices.Contains(p.Forges, forge) {
			continue
		}
		users := p.users(forge)
		for _, class := range slices.Sorted(maps.Keys(users)) {
			r, whose := p.Runners[class], "GitHub's"
			labels, hint := r.GitHub, ", or name machines of your own under runners."+class+".github"
			if forge == GitLab {
				labels, whose = r.GitLab, "GitLab's"
				hint = ", name machines of your own under runners." + class + ".gitlab, or an image that has the programs under runners." + class + ".image"
			}
			i := slices.IndexFunc(labels, provided[forge].MatchString)
			if i < 0 || users[class] == "the job "+string(Result) || r.Image != "" || slices.Contains(labels, "self-hosted") {
				continue
			}
			list.Warnf("no-programs", diag.Pos{File: settingsFile}, "pin a release with \"rootfsgen lock --programs VERSION\""+hint,
				"%s runs on %s own %s (class %q), which has no rootfsgen: runtime installed finds nothing there", users[class], whose, labels[i], class)
		}
	}
	return list
}
