package doctor_test

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// TestTheJobIsCopiedAlone runs what the doctor and the guide print, twice: it
// pushes one file, and leaves the checkout, with what the default branch
// ignores there, and its branches as they are.
func TestTheJobIsCopiedAlone(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "guide", "channels.md"))
	if err != nil {
		t.Fatal(err)
	}
	const branch = "rootfsgen/channels"
	for on, c := range map[string]struct{ file, first, second string }{
		forge.GitHub: {".github/workflows/rootfsgen-merged.yml", "on: push", "on: [push]"},
		forge.GitLab: {".gitlab-ci.yml", "include:\n  - {project: TEAM/IMAGES, ref: main, file: .gitlab-ci.yml}", "include:\n  - {project: TEAM/IMAGES, ref: main, file: .gitlab-ci.yml}"},
	} {
		r, f := good(on)
		f.Project, f.Settings.Channels.Promotion, f.Settings.ChannelBranch = "TEAM/IMAGES", model.PromotionRequest, branch
		r.files = map[string]string{"main:" + c.file: c.first}
		mend := found(t, f.Look(t.Context()), "finishing promotions").Mend
		for _, line := range mend {
			if !strings.Contains(string(guide), "\n"+line+"\n") {
				t.Errorf("on %s: the guide has another command than %q", on, line)
			}
		}

		origin := gittest.New(t)
		origin.Commit(map[string]string{".gitignore": ".env\n", c.file: "on: push\n"})
		origin.Git("switch", "-q", "--orphan", branch)
		origin.Commit(map[string]string{"manifest.json": "{}\n"})
		origin.Git("switch", "-q", "main")
		desk := gittest.At(t, filepath.Join(t.TempDir(), "images"))
		if err := os.Mkdir(desk.Dir, 0o755); err != nil {
			t.Fatal(err)
		}
		desk.Git("clone", "-q", "file://"+origin.Dir, ".")
		desk.Git("branch", "channels")
		desk.Write(map[string]string{".env": "SECRET=1\n", "draft": "unfinished\n"})
		desk.Git("add", "draft")
		was := state(desk)

		run(t, desk, mend)
		if got := origin.Git("show", branch+":"+c.file); got != c.first {
			t.Errorf("on %s: %q", on, got)
		}
		origin.Commit(map[string]string{c.file: c.second + "\n"})
		run(t, desk, mend)
		if got := origin.Git("show", branch+":"+c.file); c.file != ".gitlab-ci.yml" && got != c.second || strings.Contains(got, "SECRET") {
			t.Errorf("on %s, a second time: %q", on, got)
		}
		if got := origin.Git("ls-tree", "-r", "--name-only", branch); got != c.file+"\nmanifest.json" {
			t.Errorf("on %s: pushed\n%s", on, got)
		}
		if got := state(desk); got != was {
			t.Errorf("on %s: the checkout was\n%s\nand is\n%s", on, was, got)
		}
	}
}

// state is what a checkout has: its branches, its files and its worktrees.
func state(r *gittest.Repo) string {
	return strings.Join([]string{r.Git("branch", "--format=%(refname) %(objectname) %(HEAD)"), r.Git("status", "--short", "--ignored"), r.Git("worktree", "list")}, "\n")
}

// run gives the commands to a shell, as somebody who copies them does.
func run(t *testing.T, r *gittest.Repo, commands []string) {
	t.Helper()
	c := tool.Command{
		Name: "sh", Args: []string{"-c", strings.Join(commands, "\n")}, Dir: r.Dir,
		Env: []string{
			"GIT_CONFIG_GLOBAL=/dev/null", "GIT_CONFIG_NOSYSTEM=1", "LC_ALL=C",
			"GIT_AUTHOR_NAME=Ada", "GIT_AUTHOR_EMAIL=ada@example.com", "GIT_COMMITTER_NAME=Ada", "GIT_COMMITTER_EMAIL=ada@example.com",
		},
	}
	if out, err := c.Output(t.Context()); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
}
