package render

import "github.com/rootfsgen/rootfsgen/generator/model"

// onSite is limits as they hold where a repository lies: on a GitHub Enterprise
// Server its own, instead of github.com's; anywhere else those are only told.
func onSite(limits []Limit, site model.GitHubSite) []Limit {
	if !site.Server() {
		return limits
	}
	var all []Limit
	for _, l := range limits {
		if l.On == OnGitHubCom {
			continue
		}
		l.Told = l.Told && l.On != OnGitHubServer
		all = append(all, l)
	}
	return all
}
