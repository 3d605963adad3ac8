package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"strings"
	"sync"
	"time"

	"cloud.google.com/go/compute/metadata"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// googleUser is who an access token of Google's is for.
const googleUser = "oauth2accesstoken"

// cloudScope is what the token may be used for; what its bearer may do is
// decided by the roles that the account has.
const cloudScope = "https://www.googleapis.com/auth/cloud-platform"

// googleTimeout bounds how long one question for a token may take.
const googleTimeout = 30 * time.Second

// IsGoogle tells whether a registry takes logins of Google's cloud.
func IsGoogle(host string) bool {
	return host == "gcr.io" || strings.HasSuffix(host, ".gcr.io") || strings.HasSuffix(host, ".pkg.dev")
}

// Google is the login that this job or machine has for Google's registries: the
// workload identity that ProviderVariable names; else the application default
// credentials (a file that a variable names, those of "gcloud auth
// application-default login", the machine's own service account), else the
// account of the program gcloud. Nothing is read, asked or started before the
// first call of Login. It is safe for concurrent use.
type Google struct {
	Scope     string            // of the registry that is written to: which account a job uses that may use several
	Transport http.RoundTripper // to where a workload identity's tokens come from; nil: the network

	exchange exchange
	mu       sync.Mutex
	looked   bool
	source   oauth2.TokenSource // nil: there is none
}

// Login returns a user and a password that is good for some minutes at least;
// false where the machine has no login. The error never holds a secret.
func (g *Google) Login(ctx context.Context) (user, password string, found bool, err error) {
	token, found, err := g.Token(ctx)
	if err != nil || !found {
		return "", "", false, err
	}
	return googleUser, token, true, nil
}

// Token is the password of Login alone, as Google's other interfaces take it.
func (g *Google) Token(ctx context.Context) (token string, found bool, err error) {
	g.mu.Lock()
	defer g.mu.Unlock()
	if !g.looked {
		if g.source, err = g.find(ctx); err != nil {
			return "", false, err
		}
		g.looked = true
	}
	if g.source == nil {
		return "", false, nil
	}
	t, err := g.source.Token()
	if err != nil {
		return "", false, withoutAnswer(err)
	}
	return t.AccessToken, true, nil
}

func (g *Google) find(ctx context.Context) (oauth2.TokenSource, error) {
	if g.exchange.transport == nil {
		g.exchange.transport = g.Transport
	}
	source, err := g.exchange.workload(ctx, g.Scope)
	if source != nil || err != nil {
		return source, err
	}
	return findGoogle(ctx)
}

// findGoogle finds where tokens come from. The source outlives the caller's
// context: it renews tokens.
func findGoogle(ctx context.Context) (oauth2.TokenSource, error) {
	lasting := context.WithValue(context.WithoutCancel(ctx), oauth2.HTTPClient, &http.Client{Timeout: googleTimeout})
	credentials, err := google.FindDefaultCredentials(lasting, cloudScope)
	switch {
	case err == nil && credentials.JSON != nil:
		return credentials.TokenSource, nil
	case err == nil:
		if _, err = credentials.TokenSource.Token(); !noAccount(err) {
			return credentials.TokenSource, nil
		}
	case os.Getenv("GOOGLE_APPLICATION_CREDENTIALS") != "":
		// What somebody has named must not be passed over. The message may
		// quote the file.
		return nil, errors.New("the file in GOOGLE_APPLICATION_CREDENTIALS is missing, or holds no credentials")
	}
	source := oauth2.ReuseTokenSource(nil, gcloud{lasting})
	if _, err := source.Token(); err != nil {
		// It is not installed, or nobody has logged in. A public image needs no
		// login, and a private one says that it does.
		return nil, nil //nolint:nilerr // see above
	}
	return source, nil
}

// noAccount tells whether a machine of Google's has no account, or none for
// this process.
func noAccount(err error) bool {
	if _, undefined := errors.AsType[metadata.NotDefinedError](err); undefined {
		return true
	}
	m, ok := errors.AsType[*metadata.Error](err)
	return ok && m.Code == http.StatusForbidden
}

// withoutAnswer is err without what the other side answered, which is about
// credentials and may repeat them.
func withoutAnswer(err error) error {
	if _, ok := errors.AsType[*RefusedError](err); ok || errors.Is(err, ErrNoForgeToken) {
		return err // is made of nothing that is secret
	}
	if refused, ok := errors.AsType[*oauth2.RetrieveError](err); ok {
		status := "no answer"
		if refused.Response != nil {
			status = refused.Response.Status
		}
		return fmt.Errorf("asking Google for an access token: %s %s", status, refused.ErrorCode)
	}
	if m, ok := errors.AsType[*metadata.Error](err); ok {
		return fmt.Errorf("asking the machine's metadata server for an access token: status %d", m.Code)
	}
	return fmt.Errorf("asking Google for an access token: %w", err)
}

// gcloud asks the program of that name.
type gcloud struct {
	ctx context.Context //nolint:containedctx // an oauth2.TokenSource has no other way to get one
}

// Token implements oauth2.TokenSource.
func (g gcloud) Token() (*oauth2.Token, error) {
	ctx, cancel := context.WithTimeout(g.ctx, googleTimeout)
	defer cancel()
	cmd := tool.Command{Name: "gcloud", Args: []string{"config", "config-helper", "--format=json(credential)"}}
	for _, name := range []string{"CLOUDSDK_CONFIG", "CLOUDSDK_ACTIVE_CONFIG_NAME", "CLOUDSDK_PYTHON"} {
		if v, set := os.LookupEnv(name); set {
			cmd.Env = append(cmd.Env, name+"="+v)
		}
	}
	out, err := cmd.Output(ctx)
	if err != nil {
		return nil, err
	}
	var answer struct {
		Credential struct {
			Token  string    `json:"access_token"`
			Expiry time.Time `json:"token_expiry"`
		} `json:"credential"`
	}
	if json.Unmarshal(out, &answer) != nil || answer.Credential.Token == "" {
		return nil, errors.New("gcloud printed no access token") // what it printed may be one
	}
	return &oauth2.Token{AccessToken: answer.Credential.Token, Expiry: answer.Credential.Expiry}, nil
}
