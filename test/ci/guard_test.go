package ci

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// passwordOf is the password of the user of a scope.
func passwordOf(scope string) string { return "s3cret-of-" + scope }

// guard stands before the registry of the tests and wants a login. The user of
// a scope may read everything, and write below PREFIX/SCOPE/ alone.
func guard(t *testing.T) (host string) {
	t.Helper()
	proxy := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: enginetest.Services(t).Registry})
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		user, password, ok := r.BasicAuth()
		if !ok || password != passwordOf(user) {
			w.Header().Set("WWW-Authenticate", `Basic realm="test"`)
			http.Error(w, `{"errors":[{"code":"UNAUTHORIZED"}]}`, http.StatusUnauthorized)
			return
		}
		// /v2/NAME/SCOPE/...
		parts := strings.Split(r.URL.Path, "/")
		if r.Method != http.MethodGet && r.Method != http.MethodHead && (len(parts) < 4 || parts[3] != user) {
			http.Error(w, `{"errors":[{"code":"DENIED"}]}`, http.StatusForbidden)
			return
		}
		r.Header.Del("Authorization")
		proxy.ServeHTTP(w, r)
	}))
	t.Cleanup(s.Close)
	return strings.TrimPrefix(s.URL, "http://")
}

// loginTo is the text of a config.json with the login of a scope's user.
func loginTo(host, scope string) string {
	auth := base64.StdEncoding.EncodeToString([]byte(scope + ":" + passwordOf(scope)))
	return `{"auths":{"` + host + `":{"auth":"` + auth + `"}}}`
}

// observed lets rootfsrun and rootfsgen write down what each job's environment
// held when it called them, which is what code of the job could take. The
// returned function reads it: NAME=value, sorted.
func (f *fleet) observed() (held func() []string) {
	f.t.Helper()
	bin, seen := filepath.Join(f.scratch, "observing"), filepath.Join(f.scratch, "seen")
	for _, dir := range []string{bin, seen} {
		if err := os.Mkdir(dir, 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	for _, name := range []string{"rootfsrun", "rootfsgen"} {
		script := fmt.Sprintf("#!/bin/sh\nenv > \"$(mktemp -p %s)\"\nexec %s \"$@\"\n", seen, lookup(f.env, name))
		if err := os.WriteFile(filepath.Join(bin, name), []byte(script), 0o755); err != nil {
			f.t.Fatal(err)
		}
	}
	f.env = slices.Clone(f.env)
	for i, v := range f.env {
		if path, is := strings.CutPrefix(v, "PATH="); is {
			f.env[i] = "PATH=" + bin + ":" + path
		}
	}
	return func() []string {
		f.t.Helper()
		files, err := filepath.Glob(seen + "/*")
		all := map[string]bool{}
		for _, file := range files {
			text, failed := os.ReadFile(file)
			err = errors.Join(err, failed)
			for line := range strings.Lines(string(text)) {
				all[strings.TrimSpace(line)] = true
			}
			err = errors.Join(err, os.Remove(file))
		}
		if err != nil || len(all) == 0 {
			f.t.Fatalf("no job called a program of ours: %v", err)
		}
		return slices.Sorted(maps.Keys(all))
	}
}

// user logs in as one user everywhere.
type user string

func (u user) Resolve(authn.Resource) (authn.Authenticator, error) {
	return &authn.Basic{Username: string(u), Password: passwordOf(string(u))}, nil
}

// usersIn are the users whose logins are in a text.
func usersIn(text string) []string {
	var all []string
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		if strings.Contains(text, base64.StdEncoding.EncodeToString([]byte(scope+":"+passwordOf(scope)))) {
			all = append(all, scope)
		}
	}
	return all
}
