package source

import (
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	siteAddress = text{name: "an address", max: 256, check: model.CheckSite, slash: true,
		pattern: regexp.MustCompile(`^https://[A-Za-z0-9.:/_~-]+$`)}
	gitLabVersion = text{name: "a version", max: 16, check: model.CheckGitLabVersion,
		pattern: regexp.MustCompile(`^[0-9]+\.[0-9]+$`)}
)

var githubField = field[settings]{key: "github", doc: "The GitHub that the repository lies on.",
	shape: githubShape, set: func(s *settings, v value) { s.model.GitHub, _ = v.record.(model.GitHubSite) }}

var githubShape = record[model.GitHubSite]{name: "github", fields: []field[model.GitHubSite]{
	{key: "url", doc: "Its address. That of a GitHub Enterprise Server makes the pipelines keep to what one can: docs/guide/ownership.md.", def: model.DefaultGitHubURL,
		shape: siteAddress, set: func(g *model.GitHubSite, v value) { g.URL = v.text }},
}}

var gitlabField = field[settings]{key: "gitlab", doc: "The GitLab that the repository lies on.",
	shape: gitlabShape, set: func(s *settings, v value) { s.model.GitLab, _ = v.record.(model.GitLabSite) }}

var gitlabShape = record[model.GitLabSite]{name: "gitlab", fields: []field[model.GitLabSite]{
	{key: "url", doc: "Its address.", def: model.DefaultGitLabURL,
		shape: siteAddress, set: func(g *model.GitLabSite, v value) { g.URL = v.text }},
	{key: "version", doc: "Its version, major and minor. It decides which lost jobs GitLab is told to repeat, and, from 16.10 on, that overtaken pipelines of requests are stopped.", defWords: "the newest of gitlab.com, else what every supported version knows",
		shape: gitLabVersion, set: func(g *model.GitLabSite, v value) { g.Version = v.text }},
}}

var templatesField = field[settings]{key: "templates",
	doc:      "Folder with templates that are taken instead of the built-in ones of the same path, from the folder of this file: docs/guide/ownership.md.",
	defWords: "none", shape: rootedPath, set: func(s *settings, v value) { s.model.Templates = v.text }}
