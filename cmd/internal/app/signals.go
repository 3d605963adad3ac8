package app

import (
	"context"
	"errors"
	"os"
	"os/signal"
	"syscall"
)

// Stopped is the cause of a context that a signal cancelled. A person
// interrupts, and a machine that is taken away terminates what it runs: a CI
// may run the latter again.
type Stopped struct{ Signal os.Signal }

// Error names the signal.
func (s *Stopped) Error() string { return "stopped by signal: " + s.Signal.String() }

// Is makes it a cancelled context's error like any other.
func (*Stopped) Is(target error) bool { return target == context.Canceled }

// UntilSignal is a context that ends when this process is interrupted or told
// to terminate. Before stop is called a second signal changes nothing: what is
// left to do takes seconds.
func UntilSignal(parent context.Context) (ctx context.Context, stop func()) {
	ctx, cancel := context.WithCancelCause(parent)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	go func() {
		select {
		case s := <-signals:
			cancel(&Stopped{Signal: s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() {
		signal.Stop(signals)
		cancel(nil)
	}
}

// cancelled is the exit code of a command whose context has ended.
func cancelled(ctx context.Context) int {
	if s, is := errors.AsType[*Stopped](context.Cause(ctx)); is && s.Signal == syscall.SIGTERM {
		return ExitTerminated
	}
	return ExitCancelled
}
