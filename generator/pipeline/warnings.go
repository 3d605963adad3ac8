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

// githubs are the labels of machines that GitHub provides, which have nothing
// of ours.
var githubs = regexp.MustCompile(`^(?:ubuntu|windows|macos)-(?:latest|slim|[0-9])`)

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
	if p.Runtime != model.RuntimeInstalled || !slices.Contains(p.Forges, GitHub) {
		return list
	}
	users := p.users(GitHub)
	for _, class := range slices.Sorted(maps.Keys(users)) {
		labels := p.Runners[class].GitHub
		if i := slices.IndexFunc(labels, githubs.MatchString); i >= 0 && !slices.Contains(labels, "self-hosted") {
			list.Warnf("no-programs", at, "pin a release with \"rootfsgen lock --programs VERSION\", or name machines of your own under runners."+class+".github",
				"%s runs on GitHub's own %s (class %q), which has no rootfsgen: runtime installed finds nothing there", users[class], labels[i], class)
		}
	}
	return list
}
