package source

import (
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	googleProvider = text{name: "a provider", max: 256, check: model.CheckGoogleProvider,
		pattern: regexp.MustCompile(`^projects/[0-9]+/locations/global/workloadIdentityPools/[a-z0-9-]+/providers/[a-z0-9-]+$`)}
	googleAccount = text{name: "a service account", max: 128, check: model.CheckGoogleAccount,
		pattern: regexp.MustCompile(`^[a-z0-9-]+@[a-z0-9.-]+\.iam\.gserviceaccount\.com$`)}
)

var identityField = field[settings]{key: "identity",
	doc:   "Who jobs are to a cloud, without keys that live long: docs/guide/identity.md.",
	shape: identityShape,
	set:   func(s *settings, v value) { s.model.Identity = v.record.(model.Identity) },
}

var identityShape = record[model.Identity]{name: "identity", fields: []field[model.Identity]{
	{key: "google", doc: "Google's workload identity federation.", shape: googleShape,
		set: func(i *model.Identity, v value) { i.Google = v.record.(model.GoogleIdentity) }},
}}

var googleShape = record[model.GoogleIdentity]{name: "google", fields: []field[model.GoogleIdentity]{
	{key: "provider", doc: "The provider that trusts the forge, as `gcloud iam workload-identity-pools providers describe` names it.", required: true, remedy: `write "provider: projects/1234/locations/global/workloadIdentityPools/forge/providers/github"`,
		shape: googleProvider, set: func(g *model.GoogleIdentity, v value) { g.Provider = v.text }},
	{key: "accounts", doc: "Service accounts by scope: `pr`, `testing` and `prod` push; `read` is of the jobs that only look, the planning job.", required: true, remedy: `write "accounts: {testing: testing@my-project.iam.gserviceaccount.com}"`,
		shape: dict{keys: text{name: "a scope", enum: []string{model.ScopePR, model.ScopeTesting, model.ScopeProd, model.ScopeRead}}, of: googleAccount},
		set:   func(g *model.GoogleIdentity, v value) { g.Accounts = v.textMap() }},
}}
