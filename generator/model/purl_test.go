package model_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestParsePURL(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]model.PURL{
		"pkg:deb/debian/openssl@3.0.1":             {Type: "deb", Namespace: "debian", Name: "openssl", Version: "3.0.1"},
		"pkg:deb/debian/OpenSSL":                   {Type: "deb", Namespace: "debian", Name: "openssl"},
		"pkg:deb/debian/libc6@2.36-9%2Bdeb12u4":    {Type: "deb", Namespace: "debian", Name: "libc6", Version: "2.36-9+deb12u4"},
		"pkg:npm/%40angular/core@17.0.0":           {Type: "npm", Namespace: "@angular", Name: "core", Version: "17.0.0"},
		"pkg:npm/@angular/core":                    {Type: "npm", Namespace: "@angular", Name: "core"},
		"pkg:PyPI/Django_REST@1":                   {Type: "pypi", Name: "django-rest", Version: "1"},
		"pkg:golang/github.com/a/b@v1.2.3#sub/dir": {Type: "golang", Namespace: "github.com/a", Name: "b", Version: "v1.2.3", Subpath: "sub/dir"},
		"pkg:rpm/RedHat/Bash@5?arch=x86_64&epoch=": {Type: "rpm", Namespace: "redhat", Name: "Bash", Version: "5", Qualifiers: map[string]string{"arch": "x86_64"}},
		"pkg://cargo/rand@0.7":                     {Type: "cargo", Name: "rand", Version: "0.7"},
	} {
		got, err := model.ParsePURL(s)
		if err != nil {
			t.Errorf("%s: %v", s, err)
		}
		if d := cmp.Diff(want, got); d != "" {
			t.Errorf("%s (-want +got):\n%s", s, d)
		}
	}
	for _, s := range []string{
		"", "openssl", "pkg:", "pkg:deb", "pkg:deb/", "pkg:deb/@1", "pkg:/deb", "pkg:deb/debian/openssl@", "pkg:d%65b/x", "pkg:deb/a b", "pkg:deb/a%2fb",
		"pkg:deb/a/../b", "pkg:deb/a%zz", "pkg:deb/a?arch=1&arch=2", "pkg:deb/a?1=2", "pkg:1deb/a", "pkg:deb/a\n",
	} {
		if p, err := model.ParsePURL(s); err == nil {
			t.Errorf("%q is taken for %+v", s, p)
		}
	}
}

func TestPURLCovers(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		rule, found string
		want        bool
	}{
		{"pkg:deb/debian/openssl", "pkg:deb/debian/openssl@3.0.1?arch=amd64", true},
		{"pkg:deb/debian/openssl@3.0.1", "pkg:deb/debian/openssl@3.0.1?arch=amd64", true},
		{"pkg:deb/debian/openssl@3.0.1", "pkg:deb/debian/openssl@3.0.2", false},
		{"pkg:deb/debian/openssl@3.0.1", "pkg:deb/debian/openssl", false},
		{"pkg:deb/debian/openssl?arch=arm64", "pkg:deb/debian/openssl@3.0.1?arch=amd64", false},
		{"pkg:deb/debian/openssl?arch=arm64", "pkg:deb/debian/openssl@3.0.1", false},
		{"pkg:deb/debian/openssl", "pkg:deb/ubuntu/openssl@3.0.1", false},
		{"pkg:deb/debian/openssl", "pkg:rpm/debian/openssl@3.0.1", false},
		{"pkg:deb/debian/openssl", "pkg:deb/debian/openssl-dev@3.0.1", false},
		{"pkg:golang/a/b#x", "pkg:golang/a/b#y", false},
	} {
		rule, err := model.ParsePURL(c.rule)
		if err != nil {
			t.Fatal(err)
		}
		found, err := model.ParsePURL(c.found)
		if err != nil {
			t.Fatal(err)
		}
		if rule.Covers(found) != c.want {
			t.Errorf("%s covers %s: not %v", c.rule, c.found, c.want)
		}
	}
}
