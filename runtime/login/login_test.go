package login_test

import (
	"encoding/base64"
	"errors"
	"strings"
	"testing"

	"github.com/docker/cli/cli/config/types"
	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

func TestLookup(t *testing.T) {
	auth := base64.StdEncoding.EncodeToString([]byte("robot:s3cret"))
	robot := types.AuthConfig{Username: "robot", Password: "s3cret"}
	both := `{"auths":{"r.example.com:5000":{"auth":"` + auth + `"},"https://index.docker.io/v1/":{"username":"hub","password":"p"}}}`
	for name, c := range map[string]struct {
		text string
		keys []string
		want types.AuthConfig
	}{
		"not set":       {"", []string{"r.example.com:5000"}, types.AuthConfig{}},
		"blank":         {" \n", []string{"r.example.com:5000"}, types.AuthConfig{}},
		"no logins":     {"{}", []string{"r.example.com:5000"}, types.AuthConfig{}},
		"host":          {both, []string{"r.example.com:5000/team/app", "r.example.com:5000"}, robot},
		"address":       {`{"auths":{"https://r.example.com/v2/":{"auth":"` + auth + `"}}}`, []string{"r.example.com"}, robot},
		"Docker's own":  {both, []string{"https://index.docker.io/v1/"}, types.AuthConfig{Username: "hub", Password: "p"}},
		"another":       {both, []string{"r.example.com"}, types.AuthConfig{}},
		"a token":       {`{"auths":{"r.example.com":{"identitytoken":"t"}}}`, []string{"r.example.com"}, types.AuthConfig{IdentityToken: "t"}},
		"other matters": {`{"credsStore":"x","auths":{"r.example.com":{"auth":"` + auth + `"}}}`, []string{"r.example.com"}, robot},
	} {
		t.Setenv(login.Variable, c.text)
		got, found, err := login.Lookup("", c.keys...)
		if err != nil || found != (c.want != types.AuthConfig{}) {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
		if d := cmp.Diff(c.want, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", name, d)
		}
	}
}

func TestMalformedIsNotRepeated(t *testing.T) {
	for _, text := range []string{"s3cret", `{"auths":"s3cret"}`, `{"auths":{"r.example.com":{"auth":"s3cret!"}}}`, `{"s3cret`} {
		t.Setenv(login.Variable, text)
		_, found, err := login.Lookup("", "r.example.com")
		if found || !errors.Is(err, login.ErrMalformed) || strings.Contains(err.Error(), "s3cret") {
			t.Errorf("%s: %v, %v", text, found, err)
		}
	}
}
