package tool

import (
	"bytes"
	"context"
	"errors"
	"os"
	"slices"
	"strings"
	"testing"
)

func TestOnlyTheListedEnvironmentPasses(t *testing.T) {
	t.Setenv("ROOTFSGEN_SECRET_OF_TEST", "hunter2")
	out, err := Command{Name: "env", Env: []string{"GIVEN=yes"}}.Output(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(out), "hunter2") {
		t.Error("a variable leaked")
	}
	if !strings.Contains(string(out), "GIVEN=yes\n") || !strings.Contains(string(out), "PATH=") {
		t.Errorf("got %s", out)
	}
}

func TestErrorCarriesCodeAndTail(t *testing.T) {
	t.Parallel()
	err := Command{Name: "sh", Args: []string{"-c", "head -c 100000 /dev/zero | tr '\\0' x >&2; echo the end >&2; exit 7"}}.Run(t.Context())
	var exit *ExitError
	if !errors.As(err, &exit) || exit.Code != 7 || !strings.HasSuffix(exit.Tail, "the end") || len(exit.Tail) > tailBytes {
		t.Errorf("got %.200v", err)
	}
}

func TestNotFound(t *testing.T) {
	t.Parallel()
	if err := (Command{Name: "no-such-program-here"}).Run(t.Context()); !errors.Is(err, ErrNotFound) {
		t.Errorf("got %v", err)
	}
}

func TestSecretsAreBlottedOutEverywhere(t *testing.T) {
	t.Parallel()
	var out, errs bytes.Buffer
	c := Command{
		Name: "sh", Args: []string{"-c", "printf 'token hun'; printf 'ter2 no newline'; echo err hunter2 >&2; exit 1"},
		Secrets: []string{"hunter2", ""}, Stdout: &out, Stderr: &errs,
	}
	err := c.Run(t.Context())
	for name, s := range map[string]string{"stdout": out.String(), "stderr": errs.String(), "error": err.Error()} {
		if strings.Contains(s, "hunter2") {
			t.Errorf("%s shows the secret: %s", name, s)
		}
		if !strings.Contains(s, "***") {
			t.Errorf("%s lost its text: %q", name, s)
		}
	}
}

func TestCancelEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancelCause(t.Context())
	defer cancel(nil)
	r, w, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	why := errors.New("the user is gone")
	done := make(chan error, 1)
	go func() {
		// The grandchild ignores SIGTERM and holds the pipe open.
		done <- Command{Name: "sh", Args: []string{"-c", "trap '' TERM; sh -c 'trap \"\" TERM; echo up; while :; do sleep 1; done' & wait"}, Stdout: w}.Run(ctx)
		w.Close()
	}()
	if _, err := r.Read(make([]byte, 3)); err != nil {
		t.Fatal(err)
	}
	cancel(why)
	if err := <-done; !errors.Is(err, why) {
		t.Errorf("got %v", err)
	}
	if n, err := r.Read(make([]byte, 1)); n != 0 || err == nil {
		t.Errorf("somebody still holds the pipe: %d, %v", n, err)
	}
}

// As root by sudo, git trusts the repository of whoever called sudo, if it is
// told who that was.
func TestWhoCalledSudoPasses(t *testing.T) {
	t.Setenv("SUDO_UID", "1234")
	if !slices.Contains(Environ(), "SUDO_UID=1234") {
		t.Error("SUDO_UID does not pass")
	}
}
