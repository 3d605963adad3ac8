package forge

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"
)

// Options choose a repository and how to speak to its forge.
type Options struct {
	Forge   string // GitHub or GitLab
	API     string // address of the API; empty is that of the public forge
	Project string // owner/name, or the path or number of a GitLab project
	Token   string // empty reads what everybody may; never logged
	JobOnly bool   // Token is GitLab's CI_JOB_TOKEN, which goes in a header of its own

	HTTP     *http.Client // nil is a client with a time limit
	Log      *slog.Logger // nil drops it
	Attempts int          // tries of one call, 0 is 5
	Backoff  time.Duration
	Sleep    func(context.Context, time.Duration) error // nil really waits
}

// The variables that a job reads.
const (
	// TokenVariable holds a token with more rights than the job's own.
	TokenVariable = "ROOTFSGEN_FORGE_TOKEN"

	githubToken = "GITHUB_TOKEN"
	gitlabToken = "CI_JOB_TOKEN"
)

// FromEnvironment is where a job of either forge runs: its repository, the
// address of its API and its token. getenv is os.Getenv. Outside of a job it is
// false.
func FromEnvironment(getenv func(string) string) (Options, bool) {
	switch OriginOf(getenv).Forge {
	case GitHub:
		return Options{
			Forge: GitHub, API: getenv("GITHUB_API_URL"), Project: getenv("GITHUB_REPOSITORY"),
			Token: cmp.Or(getenv(TokenVariable), getenv(githubToken)),
		}, true
	case GitLab:
		token := getenv(TokenVariable)
		return Options{
			Forge: GitLab, API: getenv("CI_API_V4_URL"), Project: cmp.Or(getenv("CI_PROJECT_ID"), getenv("CI_PROJECT_PATH")),
			Token: cmp.Or(token, getenv(gitlabToken)), JobOnly: token == "",
		}, true
	}
	return Options{}, false
}

// The time limits of one request, and the pause before the second try.
const (
	requestTimeout = 45 * time.Second
	firstPause     = time.Second
	defaultTries   = 5
)

// New makes a client; nothing is asked yet.
func New(o Options) (Client, error) {
	if o.API != "" {
		u, err := url.Parse(o.API)
		if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
			return nil, fmt.Errorf("the forge's API %q is no address", o.API)
		}
		if u.User != nil {
			return nil, errors.New("the address of the forge's API must not hold a login")
		}
	}
	o.Attempts = cmp.Or(o.Attempts, defaultTries)
	o.Backoff = cmp.Or(o.Backoff, firstPause)
	if o.Sleep == nil {
		o.Sleep = sleep
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.HTTP == nil {
		o.HTTP = &http.Client{}
	}
	base := o.HTTP.Transport
	if base == nil {
		base = http.DefaultTransport
	}
	o.HTTP = &http.Client{Transport: &patient{next: base, o: o}}
	switch o.Forge {
	case GitHub:
		owner, name, found := strings.Cut(o.Project, "/")
		if !found || owner == "" || name == "" || strings.Contains(name, "/") {
			return nil, fmt.Errorf("%q is no repository of GitHub: owner/name is", o.Project)
		}
		return newGitHub(o, owner, name)
	case GitLab:
		if o.Project == "" {
			return nil, errors.New("the GitLab project has no name")
		}
		return newGitLab(o)
	}
	return nil, fmt.Errorf("%q is no forge: %s and %s are", o.Forge, GitHub, GitLab)
}
