package app

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// The exit codes of both programs. They are a contract.
const (
	ExitOK         = 0
	ExitFailed     = 1
	ExitUsage      = 2
	ExitInvalid    = 3
	ExitDrift      = 4
	ExitRefused    = 5
	ExitIncomplete = 6
	ExitTryAgain   = 75
	ExitCancelled  = 130
	ExitTerminated = 143 // SIGTERM, as of a machine that is taken away
)

// Coded is an error that knows its exit code. Packages below cmd implement it
// on their own types.
type Coded interface {
	error
	ExitCode() int
}

// Fail gives err an exit code; its message stays. A nil err says nothing more
// than the code: the command has printed what there is to say.
func Fail(code int, err error) error { return &coded{code: code, err: err} }

type coded struct {
	code int
	err  error
}

func (c *coded) Error() string {
	if c.err == nil {
		return fmt.Sprintf("exit code %d", c.code)
	}
	return c.err.Error()
}
func (c *coded) Unwrap() error { return c.err }
func (c *coded) ExitCode() int { return c.code }

func usageError(_ *cobra.Command, err error) error { return Fail(ExitUsage, err) }

// PrintError prints an error for people: each of several that were joined begins a
// line, and what is indented, or is a hint, belongs to the one before.
func (a *App) PrintError(err error) {
	for n, line := range strings.Split(err.Error(), "\n") {
		switch {
		case n > 0 && strings.HasPrefix(line, "hint:"):
			line = "  " + line
		case n == 0, line != "" && strings.TrimLeft(line, " \t") == line:
			line = "error: " + line
		}
		fmt.Fprintln(a.Err, line)
	}
	a.Annotate(err)
}

// Placed is an error that knows where in the repository the mistake is.
type Placed interface {
	error
	Place() diag.Pos
}

// Annotate shows an error of a file beside its line, where what mistakes are
// printed for can do so.
func (a *App) Annotate(err error) {
	placed, found := errors.AsType[Placed](err)
	if !found || a.Diagnostics != "github" {
		return
	}
	at := placed.Place()
	if at.File == "" {
		return
	}
	a.PrintDiagnostics(diag.List{{Severity: diag.Error, Rule: RuleFailed, Pos: at, Message: placed.Error()}})
}

// RuleFailed is the rule of what failed because of a line in a file.
const RuleFailed = "failed"

// report prints the error of a command, if there is one to print, and chooses
// the exit code. A mistake of the call is answered with where to read on.
func (a *App) report(ctx context.Context, cmd *cobra.Command, err error) int {
	if err == nil {
		return ExitOK
	}
	if list, ok := errors.AsType[diag.List](err); ok {
		a.PrintDiagnostics(list)
		return ExitInvalid
	}
	var c *coded
	if errors.As(err, &c) && c.err == nil {
		return c.code
	}
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		fmt.Fprintln(a.Err, "cancelled")
		return cancelled(ctx)
	}
	a.PrintError(err)
	if c != nil && c.code == ExitUsage {
		fmt.Fprintf(a.Err, "See '%s --help'\n", cmd.CommandPath())
	}
	if known, ok := errors.AsType[Coded](err); ok {
		return known.ExitCode()
	}
	return ExitFailed
}

// PrintDiagnostics prints mistakes on Err in the form that was asked for.
func (a *App) PrintDiagnostics(list diag.List) {
	if err := list.Print(a.Err, a.Diagnostics, a.Color); err != nil {
		fmt.Fprintln(a.Err, "error:", err)
	}
}
