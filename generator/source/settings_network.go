package source

import (
	"regexp"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	registryHost = text{name: "a registry's host", max: 200, check: model.CheckHost,
		pattern: regexp.MustCompile(`^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?$`)}
	secretName = text{name: "a secret's name", max: 100, check: model.CheckSecretName,
		pattern: regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)}
	proxyAddress = text{name: "an address", max: 256, check: model.CheckProxy,
		pattern: regexp.MustCompile(`^https?://[^\s@/]+/?$`)}
	noProxy = text{name: "a host", max: 256, check: model.CheckNoProxy,
		pattern: regexp.MustCompile(`^[A-Za-z0-9.*:\[\]/_-]+$`)}
)

var networkField = field[settings]{key: "network",
	doc:   "How jobs reach the world: docs/guide/network.md.",
	shape: networkShape,
	set: func(s *settings, v value) {
		s.model.Network = v.record.(model.Network)
		for _, p := range v.pairs {
			switch p.key {
			case "ca":
				s.caAt = p.value.pos
			case "logins":
				s.logins = p.value.items
			}
		}
	},
}

var networkShape = record[model.Network]{name: "network", fields: []field[model.Network]{
	{key: "ca", doc: "PEM file with certificate authorities that jobs trust beside the machine's own, from the folder of this file; with a `/` at the beginning, from the root of the repository.",
		shape: rootedPath, set: func(n *model.Network, v value) { n.CA = v.text }},
	{key: "proxy", doc: "Proxies that jobs use, and RUN instructions, without a place in keys or images.",
		shape: proxyShape, set: func(n *model.Network, v value) { n.Proxy = v.record.(model.Proxy) }},
	{key: "mirrors", doc: "By a registry's host: the address that a buildkitd of ours, and `lock`, ask before it.",
		shape: dict{keys: registryHost, of: registryPrefix}, set: func(n *model.Network, v value) { n.Mirrors = v.textMap() }},
	{key: "logins", doc: "Registries and the secrets that log in to them.",
		shape: list{of: loginShape}, set: func(n *model.Network, v value) {
			for _, i := range v.items {
				l, _ := i.record.(model.Login)
				n.Logins = append(n.Logins, l)
			}
		}},
}}

var proxyShape = record[model.Proxy]{name: "proxy", fields: []field[model.Proxy]{
	{key: "http", doc: "Address of the proxy for http://.", shape: proxyAddress, set: func(p *model.Proxy, v value) { p.HTTP = v.text }},
	{key: "https", doc: "Address of the proxy for https://.", shape: proxyAddress, set: func(p *model.Proxy, v value) { p.HTTPS = v.text }},
	{key: "no", doc: "Hosts, domains and networks that are reached without a proxy.", shape: list{of: noProxy, unique: true},
		set: func(p *model.Proxy, v value) { p.No = v.texts() }},
}}

var loginShape = record[model.Login]{name: "a login", fields: []field[model.Login]{
	{key: "registry", doc: "Host of the registry.", required: true, remedy: `write "registry: registry.example.com"`, shape: registryHost, set: func(l *model.Login, v value) { l.Registry = v.text }},
	{key: "secret", doc: "Name of the secret of GitHub, or of the variable of GitLab, whose value is `user:password`.", required: true, remedy: `write "secret: REGISTRY_LOGIN"`, shape: secretName,
		set: func(l *model.Login, v value) { l.Secret = v.text }},
	{key: "scopes", doc: "Scopes of the jobs that are given it: those that write to `pr`, `testing` or `prod`, and `read` for those that only look. All, where it is not set.",
		shape: list{of: text{enum: model.LoginScopes()}, unique: true, nonzero: true}, set: func(l *model.Login, v value) { l.Scopes = slices.Sorted(slices.Values(v.texts())) }},
}}

// checkLogins refuses two logins for one registry that one job would have.
func (f *file) checkLogins(s *settings) {
	type given struct{ registry, scope string }
	seen := map[given]bool{}
	for i, l := range s.model.Network.Logins {
		twice := ""
		for _, scope := range model.LoginScopes() {
			key := given{l.Registry, scope}
			if l.For(scope) && seen[key] && twice == "" {
				twice = scope
			}
			seen[key] = seen[key] || l.For(scope)
		}
		if twice != "" {
			f.errorf(RuleDuplicateItem, s.logins[i].pos, "remove one of them, or give each scopes of its own", "network.logins has %q twice for the scope %s", l.Registry, twice)
		}
	}
}
