package forge_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

func TestDefaultBranchOf(t *testing.T) {
	t.Parallel()
	event := func(text string) string {
		file := filepath.Join(t.TempDir(), "event.json")
		if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		return file
	}
	for name, c := range map[string]struct {
		env  map[string]string
		want string
		ok   bool
	}{
		"a desk":               {nil, "", true},
		"GitLab":               {map[string]string{"GITLAB_CI": "true", "CI_DEFAULT_BRANCH": "trunk"}, "trunk", true},
		"GitHub":               {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": event(`{"repository": {"default_branch": "trunk"}}`)}, "trunk", true},
		"GitHub says nothing":  {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": event(`{}`)}, "", true},
		"GitHub has no event":  {map[string]string{"GITHUB_ACTIONS": "true"}, "", true},
		"GitHub's is not read": {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": filepath.Join(t.TempDir(), "none")}, "", false},
		"GitHub's is damaged":  {map[string]string{"GITHUB_ACTIONS": "true", "GITHUB_EVENT_PATH": event(`{"repository": `)}, "", false},
	} {
		got, err := forge.DefaultBranchOf(func(name string) string { return c.env[name] })
		if got != c.want || (err == nil) != c.ok {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
}
