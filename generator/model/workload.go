package model

import (
	"fmt"
	"regexp"
)

// Identity is who jobs are to a cloud. The zero value is nobody: logins are
// secrets.
type Identity struct {
	Google GoogleIdentity
}

// GoogleIdentity is a workload identity provider and the service account of
// each scope. The zero value is none.
type GoogleIdentity struct {
	Provider string            // "projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER"
	Accounts map[string]string // by scope, and by ScopeRead: the service account's address
}

// ScopeRead is, beside the scopes, the account of jobs that only look.
const ScopeRead = "read"

// Set tells whether there is such an identity.
func (g GoogleIdentity) Set() bool { return g.Provider != "" }

// Audience is what a forge's token must be made for.
func (g GoogleIdentity) Audience() string { return "https://iam.googleapis.com/" + g.Provider }

var (
	googleProvider = regexp.MustCompile(`^projects/[0-9]{1,20}/locations/global/workloadIdentityPools/[a-z][a-z0-9-]{2,30}[a-z0-9]/providers/[a-z][a-z0-9-]{2,30}[a-z0-9]$`)
	googleAccount  = regexp.MustCompile(`^[a-z][a-z0-9-]{4,28}[a-z0-9]@[a-z][a-z0-9-]{4,28}[a-z0-9](?:\.[a-z0-9-]+)?\.iam\.gserviceaccount\.com$`)
)

// CheckGoogleProvider tells why s cannot be a workload identity provider.
func CheckGoogleProvider(s string) error {
	if !googleProvider.MatchString(s) {
		return fmt.Errorf("invalid provider %.200q: expected projects/NUMBER/locations/global/workloadIdentityPools/POOL/providers/PROVIDER, with the project's number, not its id", s)
	}
	return nil
}

// CheckGoogleAccount tells why s cannot be a service account.
func CheckGoogleAccount(s string) error {
	if !googleAccount.MatchString(s) {
		return fmt.Errorf("invalid account %.120q: expected NAME@PROJECT.iam.gserviceaccount.com, where the name and the project have 6 to 30 characters each", s)
	}
	return nil
}
