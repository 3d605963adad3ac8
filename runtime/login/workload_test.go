package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

const (
	testProvider = "projects/123456789/locations/global/workloadIdentityPools/forges/providers/github"
	testAccounts = "pr=rootfs-pr@team-prod.iam.gserviceaccount.com testing=rootfs-testing@team-prod.iam.gserviceaccount.com"
)

// cloud is a forge that makes tokens, Google's Security Token Service and its
// IAM Credentials API, as their documents describe them. Whatever is not asked
// as they say is refused.
type cloud struct {
	*httptest.Server

	mu     sync.Mutex
	forged int                           // how many tokens the forge made
	asked  []string                      // what was asked, in order
	faults map[string][]http.HandlerFunc // by path: answers that come first
	slept  []time.Duration
}

func newCloud(t *testing.T) *cloud {
	t.Helper()
	c := &cloud{faults: map[string][]http.HandlerFunc{}}
	c.Server = httptest.NewServer(http.HandlerFunc(c.serve))
	t.Cleanup(c.Close)
	t.Setenv(ProviderVariable, testProvider)
	t.Setenv(AccountsVariable, testAccounts)
	t.Setenv(IDTokenVariable, "")
	t.Setenv(tokenURLVariable, c.URL+"/forge?api-version=2.0")
	t.Setenv(tokenRequestVariable, "request-secret")
	return c
}

func (c *cloud) exchange() exchange {
	return exchange{sts: c.URL, credentials: c.URL, sleep: func(_ context.Context, d time.Duration) error {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.slept = append(c.slept, d)
		return nil
	}}
}

func (c *cloud) serve(w http.ResponseWriter, r *http.Request) {
	c.mu.Lock()
	defer c.mu.Unlock()
	path, _, _ := strings.Cut(r.URL.Path, ":")
	c.asked = append(c.asked, path[strings.LastIndex(path, "/")+1:])
	for key, faults := range c.faults {
		if strings.Contains(r.URL.Path, key) && len(faults) > 0 {
			c.faults[key] = faults[1:]
			faults[0](w, r)
			return
		}
	}
	switch {
	case r.URL.Path == "/forge":
		c.forge(w, r)
	case r.URL.Path == "/v1/token":
		c.sts(w, r)
	case strings.HasSuffix(r.URL.Path, ":generateAccessToken"):
		c.account(w, r)
	default:
		http.NotFound(w, r)
	}
}

func (c *cloud) forge(w http.ResponseWriter, r *http.Request) {
	if r.Method != http.MethodGet || r.Header.Get("Authorization") != "Bearer request-secret" || r.URL.Query().Get("audience") != "https://iam.googleapis.com/"+testProvider || r.URL.Query().Get("api-version") != "2.0" {
		answer(http.StatusUnauthorized, `{"message":"request-secret"}`)(w, r)
		return
	}
	c.forged++
	answer(http.StatusOK, fmt.Sprintf(`{"count":1,"value":"eyJ-job-%d"}`, c.forged))(w, r)
}

func (c *cloud) sts(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm() // an empty form is refused below
	want := url.Values{
		"audience": {"//iam.googleapis.com/" + testProvider}, "grant_type": {"urn:ietf:params:oauth:grant-type:token-exchange"},
		"requested_token_type": {"urn:ietf:params:oauth:token-type:access_token"}, "subject_token_type": {"urn:ietf:params:oauth:token-type:jwt"},
		"scope": {"https://www.googleapis.com/auth/cloud-platform"}, "subject_token": {fmt.Sprintf("eyJ-job-%d", c.forged)},
	}
	got := url.Values{}
	for key := range want {
		got[key] = r.PostForm[key]
	}
	if d := cmp.Diff(want, got); d != "" || r.Method != http.MethodPost {
		answer(http.StatusBadRequest, `{"error":"invalid_request","error_description":"not as documented"}`)(w, r)
		return
	}
	answer(http.StatusOK, fmt.Sprintf(`{"access_token":"federated-%d","issued_token_type":"urn:ietf:params:oauth:token-type:access_token","token_type":"Bearer","expires_in":3600}`, c.forged))(w, r)
}

func (c *cloud) account(w http.ResponseWriter, r *http.Request) {
	var body struct {
		Lifetime string   `json:"lifetime"`
		Scope    []string `json:"scope"`
	}
	content, _ := io.ReadAll(r.Body) // what is cut off is no JSON
	if json.Unmarshal(content, &body) != nil || r.Header.Get("Authorization") != fmt.Sprintf("Bearer federated-%d", c.forged) ||
		!slices.Equal(body.Scope, []string{"https://www.googleapis.com/auth/cloud-platform"}) || !strings.HasPrefix(r.URL.Path, "/v1/projects/-/serviceAccounts/") {
		answer(http.StatusUnauthorized, `{"error":{"code":401,"message":"not as documented","status":"UNAUTHENTICATED"}}`)(w, r)
		return
	}
	account := strings.TrimSuffix(strings.TrimPrefix(r.URL.Path, "/v1/projects/-/serviceAccounts/"), ":generateAccessToken")
	answer(http.StatusOK, fmt.Sprintf(`{"accessToken":"token-of-%s","expireTime":%q}`, account, time.Now().Add(time.Hour).UTC().Format(time.RFC3339)))(w, r)
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

func busy(after string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", after)
		answer(http.StatusTooManyRequests, `{"error":{"message":"quota","status":"RESOURCE_EXHAUSTED"}}`)(w, r)
	}
}

func cut(w http.ResponseWriter, _ *http.Request) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err == nil {
		_ = conn.Close() // is the fault
	}
}

func TestWorkloadIdentity(t *testing.T) {
	c := newCloud(t)
	g := &Google{Scope: "testing", exchange: c.exchange()}
	if len(c.asked) != 0 {
		t.Error("a token was asked for before anybody wanted one")
	}
	for range 3 {
		user, password, found, err := g.Login(t.Context())
		if err != nil || !found || user != "oauth2accesstoken" || password != "token-of-rootfs-testing@team-prod.iam.gserviceaccount.com" {
			t.Fatal(user, password, found, err)
		}
	}
	if d := cmp.Diff([]string{"forge", "token", "rootfs-testing@team-prod.iam.gserviceaccount.com"}, c.asked); d != "" {
		t.Errorf("asked (-want +got):\n%s", d)
	}
	pr := &Google{Scope: "pr", exchange: c.exchange()}
	if _, password, _, err := pr.Login(t.Context()); err != nil || password != "token-of-rootfs-pr@team-prod.iam.gserviceaccount.com" {
		t.Error(password, err)
	}
	if c.forged != 2 {
		t.Errorf("the forge was asked %d times for two logins: its tokens last five minutes and are not kept", c.forged)
	}
}

func TestWorkloadIdentityOfGitLab(t *testing.T) {
	c := newCloud(t)
	c.forged = 7
	t.Setenv(tokenURLVariable, "")
	t.Setenv(IDTokenVariable, "eyJ-job-7")
	t.Setenv(AccountsVariable, "read=rootfs-read@team-prod.iam.gserviceaccount.com") // the only one, whatever the scope
	g := &Google{Scope: "testing", exchange: c.exchange()}
	if _, password, _, err := g.Login(t.Context()); err != nil || password != "token-of-rootfs-read@team-prod.iam.gserviceaccount.com" {
		t.Error(password, err)
	}
}

func TestWorkloadIdentityAsksAgain(t *testing.T) {
	c := newCloud(t)
	c.faults["/forge"] = []http.HandlerFunc{answer(http.StatusBadGateway, "<html>")}
	c.faults["/v1/token"] = []http.HandlerFunc{cut, answer(http.StatusServiceUnavailable, "")}
	c.faults[":generate"] = []http.HandlerFunc{busy("7")}
	g := &Google{Scope: "testing", exchange: c.exchange()}
	if _, password, _, err := g.Login(t.Context()); err != nil || !strings.HasPrefix(password, "token-of-") {
		t.Fatal(password, err)
	}
	want := []time.Duration{tokenBackoff, tokenBackoff, 2 * tokenBackoff, 7 * time.Second}
	if d := cmp.Diff(want, c.slept); d != "" {
		t.Errorf("waited (-want +got):\n%s", d)
	}
}

func TestWorkloadIdentityRefused(t *testing.T) {
	always := func(f http.HandlerFunc) []http.HandlerFunc {
		return slices.Repeat([]http.HandlerFunc{f}, 2*tokenAttempts)
	}
	for name, c := range map[string]struct {
		path  string
		fault http.HandlerFunc
		want  string
		code  int
	}{
		"another repository": {"/v1/token", answer(http.StatusUnauthorized, `{"error":"unauthorized_client","error_description":"The given credential is rejected by the attribute condition."}`), "rejected by the attribute condition", 1},
		"an old token":       {"/v1/token", answer(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"ID Token issued at 1 is stale to sign-in."}`), "stale", 1},
		"no binding":         {":generate", answer(http.StatusForbidden, `{"error":{"code":403,"message":"Permission 'iam.serviceAccounts.getAccessToken' denied on resource (or it may not exist).","status":"PERMISSION_DENIED"}}`), "getAccessToken", 1},
		"repeats the token":  {"/v1/token", answer(http.StatusBadRequest, `{"error":"invalid_grant","error_description":"bad token eyJ-job-1"}`), "status 400", 1},
		"down":               {":generate", answer(http.StatusInternalServerError, "eyJ-job-1"), "status 500", 75},
		"busy for long":      {"/v1/token", busy("3600"), "status 429", 75},
		"a redirect": {"/v1/token", func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "/elsewhere", http.StatusTemporaryRedirect)
		}, "status 307", 1},
		"garbled":           {":generate", answer(http.StatusOK, "federated-1"), "no good answer", 0},
		"the forge refuses": {"/forge", answer(http.StatusForbidden, "request-secret"), "status 403", 1},
	} {
		server := newCloud(t)
		server.faults[c.path] = always(c.fault)
		g := &Google{Scope: "testing", exchange: server.exchange()}
		_, password, found, err := g.Login(t.Context())
		if err == nil || found || password != "" {
			t.Fatalf("%s: found %v, %v", name, found, err)
		}
		if !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
		for _, secret := range []string{"request-secret", "eyJ", "federated-"} {
			if strings.Contains(err.Error(), secret) {
				t.Errorf("%s: a secret is in %v", name, err)
			}
		}
		var coded interface{ ExitCode() int }
		if c.code != 0 && (!errors.As(err, &coded) || coded.ExitCode() != c.code) {
			t.Errorf("%s: %v does not end with exit code %d", name, err, c.code)
		}
	}
}

func TestWorkloadIdentityMistakes(t *testing.T) {
	for name, c := range map[string]struct{ variable, value, want string }{
		"no permission":     {tokenURLVariable, "", "id-token: write"},
		"no account":        {AccountsVariable, "prod=a-b-c-d@team-prod.iam.gserviceaccount.com pr=e-f-g-h@team-prod.iam.gserviceaccount.com", `no service account for the scope "testing"`},
		"a strange account": {AccountsVariable, "testing=../../x", "invalid account"},
		"a strange name":    {ProviderVariable, "//evil.example.com", "invalid provider"},
	} {
		server := newCloud(t)
		t.Setenv(c.variable, c.value)
		g := &Google{Scope: "testing", exchange: server.exchange()}
		if _, _, found, err := g.Login(t.Context()); err == nil || found || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, want %q", name, err, c.want)
		}
	}
}
