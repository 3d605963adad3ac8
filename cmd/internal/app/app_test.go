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
		"hint":            {err: errors.New("nobody is trusted\nhint: name trust.signers"), code: ExitFailed, errs: "error: nobody is trusted\n  hint: name trust.signers\n"},
		"joined hints":    {err: errors.Join(errors.New("first\nhint: a\n  b"), errors.New("second\nhint: c")), code: ExitFailed, errs: "error: first\n  hint: a\n  b\nerror: second\n  hint: c\n"},
		"wrapped code":    {err: fmt.Errorf("merging: %w", again{}), code: ExitTryAgain, errs: "error: merging: registry is down\n"},
		"diagnostics":     {err: fmt.Errorf("loading: %w", diag.List{{Severity: diag.Error, Message: "bad", Rule: "r", Pos: diag.Pos{File: "f"}}}), code: ExitInvalid, errs: "f: error: bad [r]\n"},
		"silent":          {err: Fail(ExitDrift, nil), code: ExitDrift},
		"coded":           {err: Fail(ExitRefused, errors.New("not tested")), code: ExitRefused, errs: "error: not tested\n"},
		"cancelled":       {ctx: ctx, err: fmt.Errorf("building: %w", context.Canceled), code: ExitCancelled, errs: "cancelled\n"},
		"terminated":      {ctx: stopped(t, syscall.SIGTERM), err: fmt.Errorf("building: %w", &Stopped{Signal: syscall.SIGTERM}), code: ExitTerminated, errs: "cancelled\n"},
		"interrupted":     {ctx: stopped(t, os.Interrupt), err: fmt.Errorf("building: %w", context.Canceled), code: ExitCancelled, errs: "cancelled\n"},
		"unknown flag":    {args: []string{"do", "--nope"}, code: ExitUsage, errs: "error: unknown flag: --nope\nSee 'prog do --help'\n"},
		"unknown command": {args: []string{"dance"}, code: ExitUsage, errs: "error: unknown command \"dance\"\nSee 'prog --help'\n"},
		"near a command":  {args: []string{"od"}, code: ExitUsage, errs: "error: unknown command \"od\"\n  hint: did you mean do?\nSee 'prog --help'\n"},
		"near one below":  {args: []string{"many", "oen"}, code: ExitUsage, errs: "error: unknown command \"oen\"\n  hint: did you mean one?\nSee 'prog many --help'\n"},
		"too many args":   {args: []string{"do", "x"}, code: ExitUsage, errs: "error: prog do takes no arguments, but \"x\" was given\nSee 'prog do --help'\n"},
		"too few args":    {args: []string{"look"}, code: ExitUsage, errs: "error: name an image\nSee 'prog look --help'\n"},
		"no such shell":   {args: []string{"completion", "zsh2"}, code: ExitUsage, errs: "error: unknown command \"zsh2\"\n  hint: did you mean zsh?\nSee 'prog completion --help'\n"},
		"help of nothing": {args: []string{"help", "nope"}, code: ExitUsage, errs: "error: unknown command \"nope\"\nSee 'prog help --help'\n"},
		"help of no sub":  {args: []string{"help", "many", "oen"}, code: ExitUsage, errs: "error: unknown command \"oen\"\n  hint: did you mean one?\nSee 'prog help --help'\n"},
		"help of help":    {args: []string{"help", "many", "one"}, code: ExitOK},
		"bad form":        {args: []string{"do", "--diagnostics", "xml"}, code: ExitUsage, errs: "error: invalid --diagnostics \"xml\": expected text, json, github or gitlab\nSee 'prog do --help'\n"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s, _, errs := term.Buffers()
			p := Program{Name: "prog", Commands: []Command{
				func(*App) *cobra.Command {
					return &cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.err }}
				},
				func(*App) *cobra.Command {
					return &cobra.Command{Use: "look", Args: AtLeastOne("an image"), RunE: func(*cobra.Command, []string) error { return nil }}
				},
				func(*App) *cobra.Command {
					help := func(cmd *cobra.Command, _ []string) error { return cmd.Help() }
					many := &cobra.Command{Use: "many", Args: cobra.NoArgs, RunE: help}
					many.AddCommand(&cobra.Command{Use: "one", Args: cobra.NoArgs, RunE: help})
					return many
				},
			}}
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

// placed is an error of a line.
type placed struct{ at diag.Pos }

func (placed) Error() string     { return "RUN x, of 50%:\n::error::no" }
func (p placed) Place() diag.Pos { return p.at }

// TestErrorsOfALineAreAnnotated, where a forge reads what is printed.
func TestErrorsOfALineAreAnnotated(t *testing.T) {
	t.Parallel()
	at := diag.Pos{File: "images/a,b/Dockerfile", Line: 7}
	const note = "::error file=images/a%2Cb/Dockerfile,line=7,title=failed::RUN x, of 50%25:%0A::error::no\n"
	for name, c := range map[string]struct {
		form string
		err  error
		want bool
	}{
		"at GitHub":     {"github", fmt.Errorf("a: %w", placed{at}), true},
		"of no file":    {"github", placed{}, false},
		"on a desk":     {"text", placed{at}, false},
		"another error": {"github", errors.New("x"), false},
	} {
		s, _, errs := term.Buffers()
		p := Program{Name: "prog", Commands: []Command{func(*App) *cobra.Command {
			return &cobra.Command{Use: "do", Args: cobra.NoArgs, RunE: func(*cobra.Command, []string) error { return c.err }}
		}}}
		if code := p.Main(t.Context(), []string{"do", "--diagnostics", c.form}, s); code != ExitFailed || strings.Contains(errs.String(), note) != c.want {
			t.Errorf("%s: code %d, %q", name, code, errs)
		}
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
