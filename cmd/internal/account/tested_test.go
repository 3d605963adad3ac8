package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/account"
)

func TestTestsForPeople(t *testing.T) {
	t.Parallel()
	text := account.TestsMarkdown([]account.Tested{
		{Name: "python linux/amd64", Outcome: account.TestsPassed, Ran: 3, Seconds: 1.25},
		{Name: "python linux/arm64", Outcome: account.TestsBefore},
		{Name: "app linux/amd64", Outcome: account.TestsFailed, Ran: 2, Seconds: 9, Failed: []account.FailedTest{
			{Name: "starts|`@all", Problem: "exit code 1", Cmd: "app --version", Output: strings.Repeat("old\n", 50) + "```\n</details>\n@everyone \x1b[31mred\n"},
		}},
		{Name: "cuda linux/amd64", Outcome: account.TestsUntested, Why: "its tests need a machine with gpu"},
		{Name: "web linux/amd64", Outcome: account.TestsNotRun, Why: "BuildKit at unix:///x: | gone"},
	}, 10_000)
	for _, want := range []string{
		"**Tests: 1 failed, 1 not run, 1 untested, 1 passed, 1 passed before**\n",
		"| `python linux/amd64` | passed | 3 of 3 passed | 1.2 s |\n", "| `python linux/arm64` | passed before |  |  |\n",
		"| `app linux/amd64` | failed | 1 of 2 failed | 9.0 s |\n", "| `cuda linux/amd64` | untested | its tests need a machine with gpu |  |\n",
		"`app --version`\n\n````text\nold\n", "@everyone \uFFFD[31mred\n````\n",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if n := strings.Count(text, "old\n"); n != 37 {
		t.Errorf("%d lines of the output", n+3)
	}
	if strings.Contains(text, "starts|`@all") || strings.Contains(text, ": | gone") {
		t.Errorf("a name is markup:\n%s", text)
	}
	if account.TestsMarkdown(nil, 1000) != "" {
		t.Error("where nothing was to be tested, something is said")
	}
}

func TestTestsAreBounded(t *testing.T) {
	t.Parallel()
	var list []account.Tested
	output := strings.Repeat("é", 20_000)
	for n := range 2000 {
		one := account.Tested{Name: fmt.Sprintf("image-%04d linux/amd64", n), Outcome: account.TestsFailed, Ran: 40}
		for range 40 {
			one.Failed = append(one.Failed, account.FailedTest{Name: "x", Problem: "y", Cmd: "z", Output: output})
		}
		list = append(list, one)
	}
	text := account.TestsMarkdown(list, 100_000)
	if len(text) > 100_000 || !strings.Contains(text, " more | | | |\n") || !strings.Contains(text, "more that failed") {
		t.Errorf("%d bytes, ending %q", len(text), text[max(0, len(text)-80):])
	}
	if strings.Count(text, "<details") != strings.Count(text, "</details>") {
		t.Error("a section stays open")
	}
}
