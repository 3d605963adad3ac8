package runcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
)

// codesOf are the exit codes that the first table of a guide names, each with
// what it says of it.
func codesOf(t *testing.T, guide string) (out [][2]string) {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "..", "docs", "guide", guide))
	if err != nil {
		t.Fatal(err)
	}
	_, table, found := strings.Cut(string(text), "\n| code | ")
	if !found {
		t.Fatalf("%s has no table of exit codes", guide)
	}
	for _, line := range strings.Split(table, "\n")[2:] {
		cells := strings.Split(line, "|")
		if len(cells) < 4 {
			break
		}
		out = append(out, [2]string{strings.TrimSpace(cells[1]), strings.TrimSpace(cells[2])})
	}
	return out
}

// TestExitCodesAreSaidOnce: the help of a command and its guide name the same
// exit codes, in the same words.
func TestExitCodesAreSaidOnce(t *testing.T) {
	t.Parallel()
	a := &app.App{}
	for guide, help := range map[string]string{"channels.md": promoteCommand(a).Long, "gate.md": gateCommand(a).Long} {
		_, list, found := strings.Cut(help, "\nExit codes:\n")
		if !found {
			t.Fatalf("the command of %s names no exit codes", guide)
		}
		said := ""
		for _, code := range codesOf(t, guide) {
			said += code[0] + " " + code[1] + " "
		}
		if got := strings.Join(strings.Fields(list), " "); got != strings.TrimSpace(said) {
			t.Errorf("%s says\n%s\nand the help\n%s", guide, said, got)
		}
	}
}
