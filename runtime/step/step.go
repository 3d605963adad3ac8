// Package step says what a step of a plan is, how one says that there was
// nothing to do, and what is put around every one of them.
package step

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Target carries out one step of one target. The receipt says what is now
// true, also for a step that was skipped, as far as it is known then.
type Target func(context.Context, *model.Plan, *model.Entry) (model.Receipt, error)

// Index carries out one step of one index.
type Index func(context.Context, *model.Plan, *model.Index) (model.Receipt, error)

// skipped is a step that had nothing to do.
type skipped struct{ reason string }

func (s *skipped) Error() string { return "skipped: " + s.reason }

// Skip is returned by a step that had nothing to do; reason is one clause for
// people. It is neither a success that did work nor a failure.
func Skip(reason string) error { return &skipped{reason: reason} }

// Skipped tells whether err is, or wraps, a Skip, and why.
func Skipped(err error) (reason string, ok bool) {
	var s *skipped
	if !errors.As(err, &s) {
		return "", false
	}
	return s.reason, true
}

// Failed is a step that failed for one target or index.
type Failed struct {
	Step string // one of the Step constants of package model
	Name string // the target or index, for people
	Err  error
}

// Error names what the step worked on, once, and the step.
func (f *Failed) Error() string {
	if s := f.Err.Error(); strings.Contains(s, f.Name) {
		return s
	}
	return fmt.Sprintf("%s: %s: %v", f.Name, f.Step, f.Err)
}

// Unwrap is the cause.
func (f *Failed) Unwrap() error { return f.Err }

// ForTarget puts around next what every step of a target has: its outcome and
// how long it took are logged, and an error names step and target.
func ForTarget(name string, log *slog.Logger, next Target) Target {
	return func(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
		start := time.Now()
		r, err := next(ctx, p, e)
		return r, finish(log, name, e.ID().String(), start, err)
	}
}

// ForIndex is ForTarget for an index.
func ForIndex(name string, log *slog.Logger, next Index) Index {
	return func(ctx context.Context, p *model.Plan, i *model.Index) (model.Receipt, error) {
		start := time.Now()
		r, err := next(ctx, p, i)
		node := model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}.Node()
		return r, finish(log, name, node, start, err)
	}
}

func finish(log *slog.Logger, step, name string, start time.Time, err error) error {
	took := time.Since(start).Round(10 * time.Millisecond).String()
	if reason, ok := Skipped(err); ok {
		log.Debug(step+" skipped", "target", name, "reason", reason)
		return err
	}
	if u, ok := IsUntested(err); ok {
		log.Debug(step+" not possible", "target", name, "needs", u.Device)
		return u
	}
	if err != nil {
		log.Debug(step+" failed", "target", name, "took", took)
		return &Failed{Step: step, Name: name, Err: err}
	}
	log.Debug(step+" done", "target", name, "took", took)
	return nil
}
