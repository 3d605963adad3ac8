package main

import (
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// lostRun starts a GitHub with a run that has ended.
func lostRun(t *testing.T, ts *testscript.TestScript) {
	t.Helper()
	h := forgetest.NewGitHub(t, "acme", "images")
	h.Heads["main"] = "0123456789abcdef0123456789abcdef01234567"
	gone := []string{"The self-hosted runner: spot-7 lost communication with the server.\nVerify the machine.\x1b[2J"}
	h.Put(forgetest.Run{ID: 7, Workflow: "rootfsgen push", Commit: h.Heads["main"], Jobs: []forgetest.Job{
		{ID: 11, Name: "fleet / plan"},
		{ID: 12, Name: "fleet / build base / linux/amd64", Conclusion: "failure", Notes: gone},
		{ID: 13, Name: "fleet / build tool / linux/amd64", Conclusion: "failure", Steps: []forgetest.Step{{Name: "Test", Conclusion: "failure"}}, Notes: []string{"Process completed with exit code 1."}},
		{ID: 14, Name: "fleet / merge base / index", Conclusion: "skipped"},
		{ID: 15, Name: "rootfsgen / result", Conclusion: "failure", Steps: []forgetest.Step{{Name: "Nothing failed", Conclusion: "failure"}}},
	}})
	for k, v := range map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_API_URL": h.URL, "GITHUB_REPOSITORY": "acme/images", "GITHUB_TOKEN": forgetest.Token} {
		ts.Setenv(k, v)
	}
}
