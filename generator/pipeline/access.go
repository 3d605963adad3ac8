package pipeline

import (
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The variables by which a job logs in.
const (
	VarLogins Var = "ROOTFSGEN_LOGINS" // HOST=NAME or HOST=NAME@SCOPE, separated by spaces: the variable NAME holds "user:password" of HOST
	// VarLoginScope is set to model.ScopeRead in jobs that only look, where a
	// forge shows them the logins of other jobs, too.
	VarLoginScope Var = "ROOTFSGEN_LOGIN_SCOPE"
	// VarProvider is the workload identity provider, and VarAccounts are its
	// service accounts, SCOPE=ACCOUNT, separated by spaces.
	VarProvider Var = "ROOTFSGEN_GOOGLE_PROVIDER"
	VarAccounts Var = "ROOTFSGEN_GOOGLE_ACCOUNTS"
	// VarIDToken holds the forge's token where the forge gives one without being
	// asked.
	VarIDToken Var = "ROOTFSGEN_ID_TOKEN"
)

// equip gives each script what it needs to reach the world, and to those that
// speak to a registry a way to log in.
func (p *Pipeline) equip() {
	for kind, j := range p.Fixed {
		scopes := Scopes(kind)
		for i := range j.Steps {
			s := &j.Steps[i]
			if s.Verb != Run && s.Verb != Outputs || kind == Result {
				continue
			}
			s.Values = append(s.Values, p.surroundings()...)
			if slices.Contains(s.Vars, VarLogin) {
				s.Values = append(s.Values, p.logins(scopes)...)
				s.Values = append(s.Values, p.google(scopes)...)
				s.Secrets = p.LoginSecrets(scopes...)
			}
		}
		if p.Sealed && slices.Contains([]Kind{Build, Test, Merge, Repeat}, kind) {
			j.Audience = p.signs() // a key in a variable stays away from where people's code runs
		}
		j.Token = len(p.Accounts(kind)) > 0 || j.Audience != ""
		p.Fixed[kind] = j
	}
}

// Scopes are those whose logins and accounts a job may use: that of the registry
// that it writes to, which for some jobs the pipeline's event decides. A job
// that only looks has none but model.ScopeRead.
func Scopes(kind Kind) []string {
	switch kind {
	case Plan, Lock, Rescan:
		return []string{model.ScopeRead}
	case Build, Test, Merge, Repeat:
		return []string{model.ScopePR, model.ScopeTesting}
	case Purge:
		return []string{model.ScopePR}
	case Manifest:
		return []string{model.ScopeTesting}
	case Promote, Finish:
		return []string{model.ScopeProd}
	case Fork, Result, Comment:
	}
	return nil
}

// Accounts are what a job is told of who it may be to Google, empty for
// nobody.
func (p *Pipeline) Accounts(kind Kind) []Value { return p.google(Scopes(kind)) }

// google says who the job is to Google, in the scopes that it may write to.
func (p *Pipeline) google(scopes []string) []Value {
	g := p.Identity.Google
	var accounts []string
	for _, s := range scopes {
		if a := g.Accounts[s]; a != "" {
			accounts = append(accounts, s+"="+a)
		}
	}
	if !g.Set() || len(accounts) == 0 {
		return nil
	}
	return []Value{{VarProvider, g.Provider}, {VarAccounts, strings.Join(accounts, " ")}}
}

// logins says which variable logs in where, in a job that may write to these
// scopes.
func (p *Pipeline) logins(scopes []string) []Value {
	var all []string
	for _, l := range p.Network.Logins {
		of := given(&l, scopes)
		if len(of) == len(scopes) {
			all = append(all, l.Registry+"="+l.Secret)
			continue
		}
		for _, scope := range of {
			all = append(all, l.Registry+"="+l.Secret+"@"+scope)
		}
	}
	if len(all) == 0 {
		return nil
	}
	return []Value{{VarLogins, strings.Join(all, " ")}}
}

// given are those of the scopes that a login is for.
func given(l *model.Login, scopes []string) []string {
	return slices.DeleteFunc(slices.Clone(scopes), func(scope string) bool { return !l.For(scope) })
}

// LoginSecrets are the names of the secrets that log in somewhere in jobs of
// any of the scopes, sorted; without scopes, of all jobs.
func (p *Pipeline) LoginSecrets(scopes ...string) []string {
	var names []string
	for _, l := range p.Network.Logins {
		if len(scopes) == 0 || len(given(&l, scopes)) > 0 {
			names = append(names, l.Secret)
		}
	}
	return sortedSet(names)
}

// loginWarnings tells which registries the jobs that only look have no login
// for, where others have one. The planning job is one of them.
func loginWarnings(s *model.Settings) diag.List {
	var list diag.List
	looked := map[string]bool{}
	for _, l := range s.Network.Logins {
		looked[l.Registry] = looked[l.Registry] || l.For(model.ScopeRead)
	}
	for _, registry := range slices.Sorted(maps.Keys(looked)) {
		if !looked[registry] {
			list.Warnf("no-login", diag.Pos{File: settingsFile}, "add read to the scopes of the login that may see least", "network.logins has no login for %s that the planning job may use", registry)
		}
	}
	return list
}

// identityWarnings tells which jobs are nobody, where others have a login or an
// identity.
func (p *Pipeline) identityWarnings(s *model.Settings) diag.List {
	list := loginWarnings(s)
	g := p.Identity.Google
	if !g.Set() {
		return list
	}
	at := diag.Pos{File: settingsFile}
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if s.Registry.Prefix(scope) != "" && g.Accounts[scope] == "" {
			list.Warnf("no-account", at, "name one under identity.google.accounts."+scope, "jobs of the scope %s have no account to push with", scope)
		}
	}
	if g.Accounts[model.ScopeRead] == "" {
		list.Warnf("no-account", at, "name one under identity.google.accounts."+model.ScopeRead, "the planning job has no account to look into a private registry with")
	}
	return list
}
