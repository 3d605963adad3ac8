package app

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"testing"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/diag"
)

type again struct{}

func (again) Error() string { return "registry is down" }
func (again) ExitCode() int { return ExitTryAgain }

// TestExitCodes walks every kind of error through the one switch.
func TestExitCodes(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	for name, c := range map[string]struct {
		ctx  context.Context
		err  error
		args []string
		code int
		errs string
	}{
		"fine":            {err: nil, code: ExitOK},
		"plain":           {err: errors.New("loading plan: no such file"), code: ExitFailed, errs: "error: loading plan: no such file\n"},
		"joined":          {err: errors.Join(errors.New("first"), errors.New("second")), code: ExitFailed, errs: "error: first\nerror: second\n"},
		"wrapped code":    {err: fmt.Errorf("merging: %w", again{}), code: ExitTryAgain, errs: "error: merging: registry is down\n"},
		"diagnostics":     {err: fmt.Errorf("loading: %w", diag.List{{Severity: diag.Error, Message: "bad", Rule: "r", Pos: diag.Pos{File: "f"}}}), code: ExitInvalid, errs: "f: error: bad [r]\n"},
		"silent":          {err: Fail(ExitDrift, nil), code: ExitDrift},
		"coded":           {err: Fail(ExitRefused, errors.New("not tested")), code: ExitRefused, errs: "error: not tested\n"},
		"cancelled":       {ctx: ctx, err: fmt.Errorf("building: %w", context.Canceled), code: ExitCancelled, errs: "cancelled\n"},
		"terminated":      {ctx: stopped(t, syscall.SIGTERM), err: fmt.Errorf("building: %w", &Stopped{Signal: syscall.SIGTERM}), code: ExitTerminated, errs: "cancelled\n"},
		"interrupted":     {ctx: stopped(t, os.Interrupt), err: fmt.Errorf("building: %w", context.Canceled), code: ExitCancelled, errs: "cancelled\n"},
		"unknown flag":    {args: []string{"do", "--nope"}, code: ExitUsage, errs: "error: unknown flag: --nope\nSee 'prog do --help'\n"},
		"unknown command": {args: []string{"dance"}, code: ExitUsage, errs: "error: unknown command \"dance\"\nSee 'prog --help'\n"},
		"too many args":   {args: []string{"do", "x"}, code: ExitUsage, errs: "error: unknown command \"x\" for \"prog do\"\nSee 'prog do --help'\n"},
		"bad form":        {args: []string{"do", "--diagnostics", "xml"}, code: ExitUsage, errs: "error: invalid --diagnostics \"xml\": expected text, json, github or gitlab\nSee 'prog do --help'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, errs := term.Buffers()
			p := Program{Name: "prog", Commands: []Command{func(*App) *cobra.Command {
				return &cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.err }}
			}}}
			if c.args == nil {
				c.args = []string{"do", "--diagnostics", "text"}
			}
			if c.ctx == nil {
				c.ctx = t.Context()
			}
			if code := p.Main(c.ctx, c.args, s); code != c.code {
				t.Errorf("code %d, want %d", code, c.code)
			}
			if got := errs.String(); got != c.errs {
				t.Errorf("got  %q\nwant %q", got, c.errs)
			}
		})
	}
}

func stopped(t *testing.T, s os.Signal) context.Context {
	t.Helper()
	ctx, cancel := context.WithCancelCause(t.Context())
	cancel(&Stopped{Signal: s})
	return ctx
}

func TestVersion(t *testing.T) {
	t.Parallel()
	s, out, _ := term.Buffers()
	p := Program{Name: "prog", Version: "1.2.3", Commands: []Command{VersionCommand("prog")}}
	if code := p.Main(t.Context(), []string{"--version"}, s); code != 0 || out.String() != "prog 1.2.3\n" {
		t.Errorf("code %d, %q", code, out.String())
	}
	out.Reset()
	if code := p.Main(t.Context(), []string{"version", "--json"}, s); code != 0 || !strings.Contains(out.String(), `"name":"prog"`) {
		t.Errorf("code %d, %q", code, out.String())
	}
}
