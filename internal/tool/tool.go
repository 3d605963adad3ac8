// Package tool is the one door to other programs: a short list of environment
// variables passes, secrets are blotted out of what they print, cancelling the
// context ends the whole process group, and an error carries the tail of the
// output.
package tool

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// passed are the variables that every program may see. By SUDO_UID git knows,
// as root, that the repository is of whoever called sudo, and trusts it.
var passed = []string{"PATH", "HOME", "LANG", "LC_ALL", "TMPDIR", "TZ", "USER", "LOGNAME", "SUDO_UID",
	"SSL_CERT_FILE", "SSL_CERT_DIR", "HTTP_PROXY", "HTTPS_PROXY", "NO_PROXY", "http_proxy", "https_proxy", "no_proxy"}

// grace is how long a program may take to end after SIGTERM.
const grace = 3 * time.Second

// tailBytes bounds the output that an error carries.
const tailBytes = 4 << 10

// Command is one run of one program.
type Command struct {
	Name    string    // looked up on PATH unless it has a slash
	Args    []string  //
	Dir     string    // working directory; empty is the caller's
	Env     []string  // "NAME=value", beside the variables that always pass
	Secrets []string  // values that must not show in output or errors
	Stdin   io.Reader //
	Stdout  io.Writer // nil: collected and returned by Output, else dropped
	Stderr  io.Writer // nil: kept for the error only
}

// ExitError is a program that ran and failed.
type ExitError struct {
	Name string
	Code int    // -1 when a signal ended it
	Tail string // end of its standard error, redacted
}

// Error names the program, its exit code and the end of what it said.
func (e *ExitError) Error() string {
	s := fmt.Sprintf("%s: exit code %d", e.Name, e.Code)
	if e.Tail != "" {
		s += ": " + e.Tail
	}
	return s
}

// ErrNotFound is a program that is not installed.
var ErrNotFound = errors.New("program not found")

// Environ is what a program started by this package sees, before Command.Env.
func Environ() []string {
	var env []string
	for _, name := range passed {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// Run runs the program to its end.
func (c Command) Run(ctx context.Context) error {
	_, err := c.run(ctx, c.Stdout)
	return err
}

// Output runs the program and returns its standard output.
func (c Command) Output(ctx context.Context) ([]byte, error) {
	var out bytes.Buffer
	_, err := c.run(ctx, &out)
	return out.Bytes(), err
}

// Process is a program that was prepared by Cmd: what a caller holds that
// talks to it while it runs.
type Process = exec.Cmd

// Cmd prepares the program for a caller that talks to it while it runs. The
// caller must wait for it; cancelling ctx ends its process group.
func (c Command) Cmd(ctx context.Context) (*Process, error) {
	path, err := exec.LookPath(c.Name)
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrNotFound, c.Name)
	}
	cmd := exec.CommandContext(ctx, path, c.Args...)
	cmd.Dir = c.Dir
	cmd.Env = append(Environ(), c.Env...)
	cmd.Stdin = c.Stdin
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGTERM) }
	cmd.WaitDelay = grace
	return cmd, nil
}

func (c Command) run(ctx context.Context, stdout io.Writer) (int, error) {
	cmd, err := c.Cmd(ctx)
	if err != nil {
		return -1, err
	}
	tail := &tailWriter{max: tailBytes}
	out, errs := c.redacted(stdout), c.redacted(c.Stderr)
	cmd.Stdout, cmd.Stderr = out, tail
	if errs != nil {
		cmd.Stderr = io.MultiWriter(tail, errs)
	}
	err = cmd.Run()
	for _, w := range []io.Writer{out, errs} {
		if l, held := w.(*lineRedactor); held {
			_ = l.flush()
		}
	}
	if cmd.Process != nil && ctx.Err() != nil {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) // what outlived the grace
	}
	if err == nil {
		return 0, nil
	}
	if cause := context.Cause(ctx); cause != nil {
		return -1, fmt.Errorf("%s: %w", c.Name, cause)
	}
	if exit, ok := errors.AsType[*exec.ExitError](err); ok {
		return exit.ExitCode(), &ExitError{Name: c.Name, Code: exit.ExitCode(), Tail: strings.TrimSpace(c.redact(tail.String()))}
	}
	return -1, fmt.Errorf("running %s: %w", c.Name, err)
}

// LookPath finds a program; the error wraps ErrNotFound.
func LookPath(name string) (string, error) {
	path, err := exec.LookPath(name)
	if err != nil {
		return "", fmt.Errorf("%w: %s", ErrNotFound, name)
	}
	return path, nil
}
