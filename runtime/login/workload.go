package login

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"time"

	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google/externalaccount"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The variables that say who a job is to Google.
const (
	ProviderVariable = "ROOTFSGEN_GOOGLE_PROVIDER" // the workload identity provider that trusts the forge
	AccountsVariable = "ROOTFSGEN_GOOGLE_ACCOUNTS" // SCOPE=ACCOUNT, separated by blanks: the service accounts that the job may use
)

// exchange is where tokens are exchanged. The zero value is Google.
type exchange struct {
	sts, credentials string            // addresses, without a path
	transport        http.RoundTripper // nil: the network
	sleep            func(context.Context, time.Duration) error
}

// workload is the tokens of the service account that a job of the scope uses:
// the forge's token is exchanged for one of the provider's, and that for one of
// the account's. None of it happens before the first token is asked for. The
// source is nil where the environment names no provider.
func (e exchange) workload(ctx context.Context, scope string) (oauth2.TokenSource, error) {
	provider := os.Getenv(ProviderVariable)
	if provider == "" {
		return nil, nil
	}
	if err := model.CheckGoogleProvider(provider); err != nil {
		return nil, fmt.Errorf("%s: %w", ProviderVariable, err)
	}
	account, err := accountOf(scope)
	if err != nil {
		return nil, err
	}
	p := &patient{base: e.transport, sleep: e.sleep}
	if p.base == nil {
		p.base = http.DefaultTransport
	}
	client := &http.Client{Transport: p, Timeout: googleTimeout, CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }}
	forge := &supplier{client: client, audience: model.GoogleIdentity{Provider: provider}.Audience()}
	source, err := externalaccount.NewTokenSource(context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, client), externalaccount.Config{
		Audience:                       "//iam.googleapis.com/" + provider,
		SubjectTokenType:               "urn:ietf:params:oauth:token-type:jwt",
		TokenURL:                       orElse(e.sts, "https://sts.googleapis.com") + "/v1/token",
		ServiceAccountImpersonationURL: orElse(e.credentials, "https://iamcredentials.googleapis.com") + "/v1/projects/-/serviceAccounts/" + account + ":generateAccessToken",
		Scopes:                         []string{cloudScope},
		SubjectTokenSupplier:           forge,
	})
	if err != nil {
		return nil, fmt.Errorf("preparing the exchange of tokens: %w", err)
	}
	return oauth2.ReuseTokenSource(nil, explained{source, p, forge, account}), nil
}

// accountOf is the account that the job uses in a scope: the only one that it
// may use, or the scope's own.
func accountOf(scope string) (string, error) {
	entries := strings.Fields(os.Getenv(AccountsVariable))
	for _, e := range entries {
		of, account, _ := strings.Cut(e, "=")
		if len(entries) > 1 && of != scope {
			continue
		}
		if err := model.CheckGoogleAccount(account); err != nil {
			return "", fmt.Errorf("%s: %w", AccountsVariable, err)
		}
		return account, nil
	}
	return "", fmt.Errorf("no service account for the scope %q: name one in rootfsgen.yaml under identity.google.accounts", scope)
}

// supplier asks the forge each time: its tokens do not last. It remembers why
// there was none, which the exchange does not hand on.
type supplier struct {
	client   *http.Client
	audience string
	err      error
}

// SubjectToken implements externalaccount.SubjectTokenSupplier.
func (s *supplier) SubjectToken(ctx context.Context, _ externalaccount.SupplierOptions) (string, error) {
	var token string
	token, s.err = forgeToken(ctx, s.client, s.audience)
	return token, s.err
}

// explained says who refused, and what it said, instead of how the exchange is
// programmed.
type explained struct {
	oauth2.TokenSource
	patient *patient
	forge   *supplier
	account string
}

// Token implements oauth2.TokenSource.
func (e explained) Token() (*oauth2.Token, error) {
	token, err := e.TokenSource.Token()
	switch refused := e.patient.refusal(); {
	case err == nil:
		return token, nil
	case errors.Is(e.forge.err, ErrNoForgeToken):
		return nil, ErrNoForgeToken
	case refused != nil:
		return nil, fmt.Errorf("logging in to Google as %s: %w", e.account, refused)
	}
	return nil, fmt.Errorf("logging in to Google as %s: no good answer", e.account)
}

func orElse(s, other string) string {
	if s == "" {
		return other
	}
	return s
}
