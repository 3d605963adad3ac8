package audit

import (
	"maps"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// logins are those of the registry. Jobs of every image read them, and thousands
// of deployments would say nothing: they reach them without an environment, and a
// repository that minds has an identity instead. The one of prod is read in its
// environment alone.
func logins() []string {
	all := []string{model.RegistryAuth}
	for _, scope := range []string{model.ScopeRead, model.ScopePR, model.ScopeTesting} {
		all = append(all, model.RegistryAuthOf(scope))
	}
	return all
}

// Default are the rules of the files that rootfsgen writes, before a
// repository's own logins and machines.
func Default() Rules {
	return Rules{
		OutsideEnvironments: logins(),
		Write: []Right{
			{"plan", "id-token"}, // says to the registry which job reads there
			{"lock", "id-token"},
			{"rescan", "id-token"},
			{"fleet", "id-token"}, // which hands it on to those that push and judge
			{"build*", "id-token"},
			{"test*", "id-token"},
			{"merge*", "id-token"},
			{"purge", "id-token"},
			{"manifest", "id-token"}, // signs, too
			{"promote", "id-token"},
			{"finish", "id-token"},
			{"manifest", "contents"}, // pushes the channel branch
			{"promote", "contents"},
			{"promote", "pull-requests"}, // where a promotion is offered as a request
			{"lock", "contents"},         // pushes the branch that is offered
			{"lock", "pull-requests"},
			{"watchdog", "actions"}, // starts lost jobs anew
			{"comment", "pull-requests"},
			{"rescan", "issues"},         // says what blocks in what prod runs
			{"fleet", "security-events"}, // which hands it on to the jobs that judge
			{"merge*", "security-events"},
		},
		Known: maps.Clone(known),
	}
}

// known are releases of actions that were looked up in the actions' own
// repositories.
var known = map[string]string{
	"actions/attest-build-provenance@v4.1.0": "a2bbfa25375fe432b6a289bc6b6cd05ecd0c4c32",
	"actions/attest@v4.2.2":                  "1e69f48acb82d1966a394da916b4c1698aa569d6",
	"actions/checkout@v6.1.0":                "d23441a48e516b6c34aea4fa41551a30e30af803",
	"actions/checkout@v7.0.1":                "3d3c42e5aac5ba805825da76410c181273ba90b1",
	"actions/download-artifact@v8.0.1":       "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c",
	"actions/setup-go@v6.5.0":                "924ae3a1cded613372ab5595356fb5720e22ba16",
	"actions/setup-go@v7.0.0":                "b7ad1dad31e06c5925ef5d2fc7ad053ef454303e",
	"actions/upload-artifact@v7.0.1":         "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a",
	"docker/login-action@v4.6.0":             "dbcb813823bdd20940b903addbd779551569679f",
	"docker/setup-buildx-action@v4.2.0":      "bb05f3f5519dd87d3ba754cc423b652a5edd6d2c",
	"google-github-actions/auth@v3.0.0":      "7c6bc770dae815cd3e89ee6cdf493a5fab2cc093",
	"sigstore/cosign-installer@v4.1.2":       "6f9f17788090df1f26f669e9d70d6ae9567deba6",
}
