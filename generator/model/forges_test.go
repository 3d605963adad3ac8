package model_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestSites(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]struct {
		server      bool
		api, issuer string
	}{
		"":                           {false, "https://api.github.com", "https://token.actions.githubusercontent.com"},
		"https://github.com":         {false, "https://api.github.com", "https://token.actions.githubusercontent.com"},
		"https://acme.ghe.com":       {false, "https://api.acme.ghe.com", "https://token.actions.acme.ghe.com"},
		"https://github.example.com": {true, "https://github.example.com/api/v3", "https://github.example.com/_services/token"},
		"https://ghe.com.evil.org":   {true, "https://ghe.com.evil.org/api/v3", "https://ghe.com.evil.org/_services/token"},
	} {
		s := model.GitHubSite{URL: address}
		if s.Server() != want.server || s.API() != want.api || s.Issuer() != want.issuer {
			t.Errorf("%s: %v %s %s", address, s.Server(), s.API(), s.Issuer())
		}
	}
	own := model.GitLabSite{URL: "https://git.example.com/gitlab"}
	if (model.GitLabSite{}).API() != "https://gitlab.com/api/v4" || own.API() != "https://git.example.com/gitlab/api/v4" || own.Issuer() != own.URL {
		t.Errorf("%s %s", model.GitLabSite{}.API(), own.API())
	}
}

func TestCheckContainerImage(t *testing.T) {
	t.Parallel()
	const digest = "@sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	for ref, ok := range map[string]bool{
		"debian": true, "debian:13": true, "registry.example.com:5000/a/b-c:1.2" + digest: true, "a" + digest: true,
		"": false, "Debian": false, "a b": false, "a:b:c": false, "a@sha256:12": false, "${{ x }}": false, "$IMAGE": false, "-x": false, "a//b": false, "https://a/b": false,
	} {
		if err := model.CheckContainerImage(ref); (err == nil) != ok {
			t.Errorf("%q: %v", ref, err)
		}
	}
	if model.Pinned("debian:13") || !model.Pinned("debian:13"+digest) {
		t.Error("what is pinned has a digest")
	}
}
