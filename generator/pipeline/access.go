package pipeline

import (
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The variables by which a job logs in.
const (
	VarLogins Var = "ROOTFSGEN_LOGINS" // HOST=NAME, separated by spaces: the variable NAME holds "user:password" of HOST
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
		scopes := p.scopes(kind)
		for i := range j.Steps {
			s := &j.Steps[i]
			if s.Verb != Run && s.Verb != Outputs || kind == Result {
				continue
			}
			s.Values = append(s.Values, p.surroundings()...)
			if slices.Contains(s.Vars, VarLogin) {
				s.Values = append(s.Values, p.logins()...)
				s.Values = append(s.Values, p.google(scopes)...)
				s.Secrets = p.LoginSecrets()
			}
		}
		if p.Sealed && slices.Contains([]Kind{Build, Test, Merge, Repeat}, kind) {
			j.Audience = p.signs() // a key in a variable stays away from where people's code runs
		}
		j.Token = len(p.Accounts(kind)) > 0 || j.Audience != ""
		p.Fixed[kind] = j
	}
}

// scopes are those whose accounts a job may use: that of the registry that it
// writes to, which for some jobs the pipeline's event decides. A job that only
// looks has none but its own.
func (p *Pipeline) scopes(kind Kind) []string {
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
func (p *Pipeline) Accounts(kind Kind) []Value { return p.google(p.scopes(kind)) }

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

// logins says which variable logs in where.
func (p *Pipeline) logins() []Value {
	var all []string
	for _, l := range p.Network.Logins {
		all = append(all, l.Registry+"="+l.Secret)
	}
	if len(all) == 0 {
		return nil
	}
	return []Value{{VarLogins, strings.Join(all, " ")}}
}

// LoginSecrets are the names of the secrets that log in somewhere, sorted.
func (p *Pipeline) LoginSecrets() []string {
	var names []string
	for _, l := range p.Network.Logins {
		names = append(names, l.Secret)
	}
	return sortedSet(names)
}

// identityWarnings tells which jobs are nobody, where others have an identity.
func (p *Pipeline) identityWarnings(s *model.Settings) diag.List {
	var list diag.List
	g := p.Identity.Google
	if !g.Set() {
		return nil
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
