package login_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

func TestNamedLogins(t *testing.T) {
	t.Setenv(login.Variable, `{"auths":{"r.example.com":{"username":"of","password":"the-file"}}}`)
	t.Setenv(login.LoginsVariable, "r.example.com=R mirror.example.com:5000=MIRROR docker.io=HUB gone.example.com=GONE bad.example.com=BAD")
	t.Setenv("R", "other:one")
	t.Setenv("MIRROR", "robot$x:pass:with:colons\n")
	t.Setenv("HUB", "hub:p")
	t.Setenv("GONE", "")
	t.Setenv("BAD", "s3cret")
	for name, c := range map[string]struct {
		keys           []string
		user, password string
	}{
		"the file first":               {[]string{"r.example.com/team/app", "r.example.com"}, "of", "the-file"},
		"by host and port":             {[]string{"mirror.example.com:5000/x", "mirror.example.com:5000"}, "robot$x", "pass:with:colons"},
		"another port":                 {[]string{"mirror.example.com"}, "", ""},
		"Docker's own":                 {[]string{"https://index.docker.io/v1/"}, "hub", "p"},
		"a secret that a fork has not": {[]string{"gone.example.com"}, "", ""},
		"not listed":                   {[]string{"x.example.com"}, "", ""},
	} {
		got, found, err := login.Lookup("", c.keys...)
		if err != nil || found != (c.user != "") || got.Username != c.user || got.Password != c.password {
			t.Errorf("%s: %v %v %v", name, got, found, err)
		}
	}
	_, found, err := login.Lookup("", "bad.example.com")
	if found || err == nil || strings.Contains(err.Error(), "s3cret") || errors.Is(err, login.ErrMalformed) {
		t.Errorf("a login that is none: %v, %v", found, err)
	}
}

// TestScopedLogins gives a job the login of its scope, of those that it holds.
func TestScopedLogins(t *testing.T) {
	file := func(user string) string {
		return `{"auths":{"r.example.com":{"username":"` + user + `","password":"p"}}}`
	}
	for name, c := range map[string]struct {
		scope string
		vars  map[string]string
		want  string
	}{
		"its own":                       {"testing", map[string]string{"ROOTFSGEN_REGISTRY_AUTH_PR": file("pr"), "ROOTFSGEN_REGISTRY_AUTH_TESTING": file("testing"), login.Variable: file("plain")}, "testing"},
		"the one of all":                {"prod", map[string]string{"ROOTFSGEN_REGISTRY_AUTH_PR": file("pr"), login.Variable: file("plain")}, "plain"},
		"never another's":               {"testing", map[string]string{"ROOTFSGEN_REGISTRY_AUTH_PR": file("pr")}, ""},
		"no scope":                      {"", map[string]string{"ROOTFSGEN_REGISTRY_AUTH_PR": file("pr"), login.Variable: file("plain")}, "plain"},
		"a job that looks":              {"testing", map[string]string{login.ScopeVariable: "read", "ROOTFSGEN_REGISTRY_AUTH_READ": file("read"), "ROOTFSGEN_REGISTRY_AUTH_TESTING": file("testing")}, "read"},
		"a job that looks, as a writer": {"testing", map[string]string{login.ScopeVariable: "read", "ROOTFSGEN_REGISTRY_AUTH_TESTING": file("testing")}, "testing"},
		"by name":                       {"testing", map[string]string{login.LoginsVariable: "r.example.com=R_PR@pr r.example.com=R_TESTING@testing", "R_PR": "pr:p", "R_TESTING": "testing:p"}, "testing"},
		"never another's name":          {"prod", map[string]string{login.LoginsVariable: "r.example.com=R_PR@pr", "R_PR": "pr:p"}, ""},
	} {
		for _, v := range []string{login.Variable, login.ScopeVariable, login.LoginsVariable, "ROOTFSGEN_REGISTRY_AUTH_READ", "ROOTFSGEN_REGISTRY_AUTH_PR", "ROOTFSGEN_REGISTRY_AUTH_TESTING", "R_PR", "R_TESTING"} {
			t.Setenv(v, c.vars[v])
		}
		got, found, err := login.Lookup(c.scope, "r.example.com")
		if err != nil || found != (c.want != "") || got.Username != c.want {
			t.Errorf("%s: %q, %v, want %q", name, got.Username, err, c.want)
		}
	}
	t.Setenv(login.ScopeVariable, "")
	t.Setenv("ROOTFSGEN_REGISTRY_AUTH_PR", "s3cret")
	if _, _, err := login.Lookup("pr", "r.example.com"); !errors.Is(err, login.ErrMalformed) || !strings.Contains(err.Error(), "ROOTFSGEN_REGISTRY_AUTH_PR") || strings.Contains(err.Error(), "s3cret") {
		t.Errorf("a variable that holds none: %v", err)
	}
}
