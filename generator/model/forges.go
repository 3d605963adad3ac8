package model

import (
	"fmt"
	"net/url"
	"regexp"
	"strings"
)

// Where the forges are unless settings say otherwise.
const (
	DefaultGitHubURL = "https://github.com"
	DefaultGitLabURL = "https://gitlab.com"
)

// GitHubSite is the GitHub that a repository lies on.
type GitHubSite struct {
	URL string // without a slash at the end; empty is DefaultGitHubURL
}

// Server tells whether the site is a GitHub Enterprise Server, which runs an
// older GitHub: neither github.com nor a ghe.com of an enterprise's own.
func (s GitHubSite) Server() bool {
	return s.URL != "" && s.URL != DefaultGitHubURL && !s.tenant()
}

// tenant tells whether the site is an enterprise's own ghe.com.
func (s GitHubSite) tenant() bool { return strings.HasSuffix(host(s.URL), ".ghe.com") }

// API is the address of the site's REST API.
func (s GitHubSite) API() string {
	switch {
	case s.tenant():
		return "https://api." + host(s.URL)
	case s.Server():
		return s.URL + "/api/v3"
	}
	return "https://api.github.com"
}

// Issuer is who signs the tokens by which jobs say who they are.
func (s GitHubSite) Issuer() string {
	switch {
	case s.tenant():
		return "https://token.actions." + host(s.URL)
	case s.Server():
		return s.URL + "/_services/token"
	}
	return "https://token.actions.githubusercontent.com"
}

// GitLabSite is the GitLab that a repository lies on.
type GitLabSite struct {
	URL     string // without a slash at the end; empty is DefaultGitLabURL
	Version string // "18.2"; empty is the newest of gitlab.com, and any that is supported of others
}

// Address is where the site is.
func (s GitLabSite) Address() string {
	if s.URL == "" {
		return DefaultGitLabURL
	}
	return s.URL
}

// API is the address of the site's REST API.
func (s GitLabSite) API() string { return s.Address() + "/api/v4" }

// Issuer is who signs the tokens by which jobs say who they are.
func (s GitLabSite) Issuer() string { return s.Address() }

func host(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return u.Host
}

var site = regexp.MustCompile(`^https://[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?(:[0-9]{1,5})?(/[A-Za-z0-9._~-]+)*$`)

// CheckSite says what is wrong with the address of a forge.
func CheckSite(address string) error {
	if len(address) > 256 || !site.MatchString(address) {
		return fmt.Errorf("invalid address %q: expected https://, a host, and a path if there is one", address)
	}
	return nil
}
