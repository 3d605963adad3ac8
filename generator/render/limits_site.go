package render

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// onSite is limits as they hold where a repository lies. On a GitHub Enterprise
// Server its own hold instead of github.com's, anywhere else those are only
// told. A GitLab that is not gitlab.com has no tiers.
func onSite(limits []Limit, p *pipeline.Pipeline) []Limit {
	server, selfManaged := p.GitHub.Server(), p.GitLab.Address() != model.DefaultGitLabURL
	var all []Limit
	for _, l := range limits {
		switch l.On {
		case OnGitHubCom:
			if server {
				continue
			}
		case OnGitHubServer:
			l.Told = !server
		case OnGitLabFree, OnGitLabPremium:
			if selfManaged {
				continue
			}
		}
		all = append(all, l)
	}
	return all
}
