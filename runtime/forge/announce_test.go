package forge_test

import (
	"bytes"
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

const about = "<!-- rootfsgen:rescan -->"

// TestGitHubIssue keeps one issue, and leaves other people's alone.
func TestGitHubIssue(t *testing.T) {
	t.Parallel()
	for _, robot := range []bool{false, true} {
		h, c, _ := github(t)
		h.Robot = robot
		h.Issues = []forgetest.Issue{
			{Number: 1, Author: "mallory", Body: about + "\nnot ours"}, {Number: 2, Body: about + "\nclosed before", State: "closed"},
			{Number: 3, Body: about + "\na pull request", PullRequest: true}, {Number: 4, Body: "something else"},
		}
		check(t, ok[string](t)(c.UpsertIssue(t.Context(), about, "Nothing", "")), "")
		for _, body := range []string{"first", "first", "second"} {
			check(t, ok[string](t)(c.UpsertIssue(t.Context(), about, "Blocked", body)), "http://github.test/acme/images/issues/1001")
		}
		h.Break(forgetest.Fault{Method: "PATCH", Path: "/repos/acme/images/issues/1001", Status: 502, Message: "Server Error", Done: true})
		for range 2 {
			if _, err := c.UpsertIssue(t.Context(), about, "Blocked", ""); err != nil {
				t.Fatal(err)
			}
		}
		check(t, h.Issues[4], forgetest.Issue{Number: 1001, Author: h.Issues[4].Author, Title: "Blocked", Body: about + "\nsecond", State: "closed"})
		const change = "PATCH /repos/acme/images/issues/1001"
		check(t, h.Changes(), []string{"POST /repos/acme/images/issues", change, change, change}) // the last is sent again
	}
}

// TestGitHubIssueOnce cuts the answer to the request that opens the issue.
func TestGitHubIssueOnce(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	h.Break(forgetest.Fault{Method: "POST", Path: "/repos/acme/images/issues", Status: 502, Message: "Server Error", Done: true})
	if _, err := c.UpsertIssue(t.Context(), about, "Blocked", "text"); err != nil {
		t.Fatal(err)
	}
	check(t, len(h.Issues), 1)
}

func TestGitHubRelease(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	for _, body := range []string{"first", "first", "second"} {
		check(t, ok[string](t)(c.UpsertRelease(t.Context(), "v1.0.0", body)), "http://github.test/acme/images/releases/tag/v1.0.0")
	}
	check(t, h.Releases, []forgetest.Release{{ID: 1001, Tag: "v1.0.0", Body: "second"}})
	check(t, len(h.Changes()), 2)
}

// TestGitHubFindings sends findings where there is code scanning, and says
// where there is none.
func TestGitHubFindings(t *testing.T) {
	t.Parallel()
	h, c, _ := github(t)
	if err := c.UploadFindings(t.Context(), commit, "refs/heads/main", []byte(`{"version":"2.1.0"}`)); err != nil {
		t.Fatal(err)
	}
	packed, err := base64.StdEncoding.DecodeString(h.Sarifs[0])
	if err != nil {
		t.Fatal(err)
	}
	r, err := gzip.NewReader(bytes.NewReader(packed))
	if err != nil {
		t.Fatal(err)
	}
	check(t, string(ok[[]byte](t)(io.ReadAll(r))), `{"version":"2.1.0"}`)
	h.NoScanning = true
	err = c.UploadFindings(t.Context(), commit, "refs/heads/main", []byte(`{}`))
	if _, denied := errors.AsType[*forge.Denied](err); !denied {
		t.Errorf("got %v", err)
	}
}

func TestGitLabIssue(t *testing.T) {
	t.Parallel()
	l, c := gitlab(t)
	l.Issues = []forgetest.Issue{{Number: 1, Author: "mallory", Body: about + "\nnot ours"}, {Number: 2, Body: about, State: "closed"}}
	var address string
	for _, body := range []string{"first", "first", "second", "", ""} {
		got := ok[string](t)(c.UpsertIssue(t.Context(), about, "Blocked", body))
		if body == "first" && address == "" {
			address = got
		}
	}
	check(t, l.Issues[2], forgetest.Issue{Number: 1001, Title: "Blocked", Body: about + "\nsecond", State: "closed"})
	check(t, len(l.Changes()), 3)
	check(t, l.Issues[0].Body, about+"\nnot ours")
	if address == "" {
		t.Error("no address")
	}
}

// TestGitLabRelease is written with no more than a job's own token.
func TestGitLabRelease(t *testing.T) {
	t.Parallel()
	l := forgetest.NewGitLab(t, "acme/images")
	c, err := forge.New(forge.Options{Forge: forge.GitLab, API: l.URL + "/api/v4", Project: "acme/images", Token: forgetest.JobToken, JobOnly: true})
	if err != nil {
		t.Fatal(err)
	}
	for _, body := range []string{"first", "first", "second"} {
		ok[string](t)(c.UpsertRelease(t.Context(), "v1.0.0", body))
	}
	check(t, l.Releases, []forgetest.Release{{Tag: "v1.0.0", Body: "second"}})
	check(t, len(l.Changes()), 2)
	if _, err := c.UpsertIssue(t.Context(), about, "x", "y"); err == nil {
		t.Error("a job's token opened an issue")
	}
}
