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
		got, found, err := login.Lookup(c.keys...)
		if err != nil || found != (c.user != "") || got.Username != c.user || got.Password != c.password {
			t.Errorf("%s: %v %v %v", name, got, found, err)
		}
	}
	_, found, err := login.Lookup("bad.example.com")
	if found || err == nil || strings.Contains(err.Error(), "s3cret") || errors.Is(err, login.ErrMalformed) {
		t.Errorf("a login that is none: %v, %v", found, err)
	}
}
