package forge

import (
	"encoding/json"
	"fmt"
	"os"
)

// DefaultBranchOf is the repository's default branch as the forge tells its
// jobs, empty where it does not: what a repository says of itself may be written
// by whoever pushed what is checked out. getenv is os.Getenv.
// https://docs.github.com/en/webhooks/webhook-events-and-payloads#push
func DefaultBranchOf(getenv func(string) string) (string, error) {
	switch OriginOf(getenv).Forge {
	case GitLab:
		return getenv("CI_DEFAULT_BRANCH"), nil
	case GitHub:
		return defaultBranchIn(getenv("GITHUB_EVENT_PATH"))
	}
	return "", nil
}

// defaultBranchIn reads the event that started a workflow of GitHub.
func defaultBranchIn(file string) (string, error) {
	if file == "" {
		return "", nil
	}
	b, err := os.ReadFile(file)
	if err != nil {
		return "", fmt.Errorf("reading what started this job: %w", err)
	}
	var event struct {
		Repository struct {
			DefaultBranch string `json:"default_branch"`
		} `json:"repository"`
	}
	if err := json.Unmarshal(b, &event); err != nil {
		return "", fmt.Errorf("reading what started this job: %w", err)
	}
	return event.Repository.DefaultBranch, nil
}
