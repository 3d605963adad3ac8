package step_test

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func TestSkippedIsFoundThroughWrapping(t *testing.T) {
	t.Parallel()
	reason, ok := step.Skipped(fmt.Errorf("building: %w", step.Skip("it is there")))
	if !ok || reason != "it is there" {
		t.Errorf("got %q, %v", reason, ok)
	}
	if _, ok := step.Skipped(errors.New("no")); ok {
		t.Error("another error counts as skipped")
	}
}

func TestForTarget(t *testing.T) {
	t.Parallel()
	cause := errors.New("cause")
	entry := &model.Entry{Image: "python", Tag: "3.13", Platform: model.LinuxARM64}
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"done":    {nil, ""},
		"failed":  {cause, "python:3.13 linux/arm64: build: cause"},
		"named":   {fmt.Errorf("building python:3.13 linux/arm64: %w", cause), "building python:3.13 linux/arm64: cause"},
		"skipped": {step.Skip("it is there"), "skipped: it is there"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			run := step.ForTarget(model.StepBuild, slog.New(slog.DiscardHandler),
				func(context.Context, *model.Plan, *model.Entry) (model.Receipt, error) {
					return model.Receipt{Step: "x"}, c.err
				})
			r, err := run(context.Background(), nil, entry)
			got := ""
			if err != nil {
				got = err.Error()
			}
			if diff := cmp.Diff(c.want, got); diff != "" {
				t.Error(diff)
			}
			if c.err != nil && !errors.Is(err, c.err) {
				t.Errorf("%v does not wrap its cause", err)
			}
			if r.Step != "x" {
				t.Error("the receipt is lost")
			}
		})
	}
}

func TestForIndexNamesTheIndex(t *testing.T) {
	t.Parallel()
	run := step.ForIndex(model.StepMerge, slog.New(slog.DiscardHandler),
		func(context.Context, *model.Plan, *model.Index) (model.Receipt, error) {
			return model.Receipt{}, errors.New("cause")
		})
	_, err := run(context.Background(), nil, &model.Index{Image: "python", Tag: "3.13", Variant: "slim"})
	if diff := cmp.Diff("python:3.13:slim: merge: cause", err.Error()); diff != "" {
		t.Error(diff)
	}
}
