package forge_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// TestPatience makes a forge answer wrongly, once or for ever.
func TestPatience(t *testing.T) {
	t.Parallel()
	const run, rerun = "/repos/acme/images/actions/runs/7", "/repos/acme/images/actions/runs/7/rerun-failed-jobs"
	soon := map[string]string{"Retry-After": "7"}
	var denied *forge.Denied
	var unavailable *forge.Unavailable
	for name, c := range map[string]struct {
		fault forgetest.Fault
		post  bool
		err   any           // what the error is, nil for none
		tries int           // requests in all
		least time.Duration // of the first pause
	}{
		"a read, once too many":          {fault: forgetest.Fault{Path: run, Status: 429, Headers: soon}, tries: 2, least: 7 * time.Second},
		"a read, the second limit":       {fault: forgetest.Fault{Path: run, Status: 403, Headers: soon}, tries: 2, least: 7 * time.Second},
		"a read, no rights":              {fault: forgetest.Fault{Path: run, Status: 403, Headers: map[string]string{"X-Accepted-Github-Permissions": "actions=read"}}, err: &denied, tries: 1},
		"a read, for an hour":            {fault: forgetest.Fault{Path: run, Status: 403, Headers: map[string]string{"Retry-After": "3600"}}, err: &unavailable, tries: 1},
		"a read, for ever":               {fault: forgetest.Fault{Path: run, Status: 502, Times: 99}, err: &unavailable, tries: 5, least: time.Second},
		"a read, cut":                    {fault: forgetest.Fault{Path: run}, tries: 2, least: time.Second},
		"a change, once too many":        {fault: forgetest.Fault{Path: rerun, Status: 429, Headers: soon}, post: true, tries: 2, least: 7 * time.Second},
		"a change, an unknown end":       {fault: forgetest.Fault{Path: rerun, Status: 502}, post: true, err: &unavailable, tries: 1},
		"a change, refused before":       {fault: forgetest.Fault{Path: rerun, Status: 503, Headers: soon}, post: true, tries: 2, least: 7 * time.Second},
		"a change, answered and cut off": {fault: forgetest.Fault{Path: rerun}, post: true, err: &unavailable, tries: 1},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			h, client, waited := github(t)
			h.Put(forgetest.Run{ID: 7, Commit: commit, Jobs: []forgetest.Job{{Name: "a", Conclusion: "failure"}}})
			c.fault.Message = "not now"
			h.Break(c.fault)
			var err error
			if c.post {
				err = client.RerunFailed(t.Context(), 7)
			} else {
				_, err = client.Run(t.Context(), 7)
			}
			if c.err == nil && err != nil || c.err != nil && !errors.As(err, c.err) {
				t.Errorf("error: %v", err)
			}
			tries := 0
			for _, e := range h.Exchanges() {
				if e.Path == c.fault.Path {
					tries++
				}
			}
			if tries != c.tries {
				t.Errorf("%d requests, want %d", tries, c.tries)
			}
			if len(waited.all) != c.tries-1 || c.tries > 1 && waited.all[0] < c.least {
				t.Errorf("waited %v, want at least %v first", waited.all, c.least)
			}
		})
	}
}

// TestNoToken sees to it that a refusal says what is missing and not the token.
func TestNoToken(t *testing.T) {
	t.Parallel()
	h := forgetest.NewGitHub(t, "acme", "images")
	c, err := forge.New(forge.Options{Forge: forge.GitHub, API: h.URL, Project: "acme/images", Token: "wrong-secret"})
	if err != nil {
		t.Fatal(err)
	}
	_, err = c.Repository(t.Context())
	var denied *forge.Denied
	if !errors.As(err, &denied) || !strings.Contains(err.Error(), "Bad credentials") || strings.Contains(err.Error(), "wrong-secret") {
		t.Errorf("error: %v", err)
	}
}

func TestOptions(t *testing.T) {
	t.Parallel()
	for _, o := range []forge.Options{
		{}, {Forge: "svn"}, {Forge: forge.GitHub}, {Forge: forge.GitHub, Project: "a/b/c"}, {Forge: forge.GitHub, Project: "/b"}, {Forge: forge.GitLab},
		{Forge: forge.GitHub, Project: "a/b", API: "ftp://x"}, {Forge: forge.GitHub, Project: "a/b", API: "https://user:secret@x"},
	} {
		if _, err := forge.New(o); err == nil || strings.Contains(err.Error(), "secret") {
			t.Errorf("%+v: %v", o, err)
		}
	}
}

func TestFromEnvironment(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		env  map[string]string
		want forge.Options
		none bool
	}{
		"a desk": {none: true},
		"GitHub": {
			env:  map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_API_URL": "https://ghe/api/v3", "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "job"},
			want: forge.Options{Forge: forge.GitHub, API: "https://ghe/api/v3", Project: "a/b", Token: "job"},
		},
		"GitHub, own token": {
			env:  map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_REPOSITORY": "a/b", "GITHUB_TOKEN": "job", forge.TokenVariable: "own"},
			want: forge.Options{Forge: forge.GitHub, Project: "a/b", Token: "own"},
		},
		"GitLab": {
			env:  map[string]string{"GITLAB_CI": "true", "CI_API_V4_URL": "https://gl/api/v4", "CI_PROJECT_ID": "5", "CI_PROJECT_PATH": "a/b", "CI_JOB_TOKEN": "job"},
			want: forge.Options{Forge: forge.GitLab, API: "https://gl/api/v4", Project: "5", Token: "job", JobOnly: true},
		},
		"GitLab, own token": {
			env:  map[string]string{"GITLAB_CI": "true", "CI_PROJECT_PATH": "a/b", "CI_JOB_TOKEN": "job", forge.TokenVariable: "own"},
			want: forge.Options{Forge: forge.GitLab, Project: "a/b", Token: "own"},
		},
	} {
		got, found := forge.FromEnvironment(func(k string) string { return c.env[k] })
		if found == c.none || got.Forge != c.want.Forge || got.API != c.want.API || got.Project != c.want.Project || got.Token != c.want.Token || got.JobOnly != c.want.JobOnly {
			t.Errorf("%s: %+v", name, got)
		}
	}
}
