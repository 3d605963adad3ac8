// Package scripttest is what the scripts of both programs share: an
// environment that is the same everywhere, and commands that testscript lacks.
package scripttest

import (
	"errors"
	"strconv"

	"github.com/rogpeppe/go-internal/testscript"
)

// Command is a command of a script.
type Command = func(ts *testscript.TestScript, neg bool, args []string)

// Setup gives a script a home of its own, and commits one author and one time.
func Setup(e *testscript.Env) {
	e.Setenv("HOME", e.WorkDir)
	e.Setenv("GIT_CONFIG_NOSYSTEM", "1")
	for _, who := range []string{"AUTHOR", "COMMITTER"} {
		e.Setenv("GIT_"+who+"_NAME", "A Person")
		e.Setenv("GIT_"+who+"_EMAIL", "person@example.com")
		e.Setenv("GIT_"+who+"_DATE", "2026-11-21T09:00:00Z")
	}
}

// Exits is "exits CODE PROGRAM [ARGUMENT...]": it runs a program that must end
// with CODE.
func Exits(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: exits CODE PROGRAM [ARGUMENT...]")
	}
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	got := 0
	if err := ts.Exec(args[1], args[2:]...); err != nil {
		var exit interface {
			error
			ExitCode() int
		}
		if !errors.As(err, &exit) {
			ts.Fatalf("running %s: %v", args[1], err)
		}
		got = exit.ExitCode()
	}
	if got != want {
		ts.Fatalf("exit code %d, expected %d", got, want)
	}
}

// Commit is "commit MESSAGE": it makes the current folder a repository where
// it is none, and commits everything in it.
func Commit(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) != 1 {
		ts.Fatalf("usage: commit MESSAGE")
	}
	ts.Check(ts.Exec("git", "init", "-q", "-b", "main"))
	ts.Check(ts.Exec("git", "add", "-A"))
	ts.Check(ts.Exec("git", "commit", "-q", "--allow-empty", "-m", args[0]))
}
