// Package imagetest runs an image's tests in the digest that was built,
// through BuildKit: as the image's own user, with its environment, without a
// network, each in a fresh container.
package imagetest

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// DefaultTimeout is how long a test may take that says nothing about it.
const DefaultTimeout = 5 * time.Minute

// Step tests targets. It is safe for concurrent use.
type Step struct {
	Registry *registry.Client
	BuildKit func(context.Context) (*buildkit.Client, error) // asked for when there is something to run
	Output   io.Writer                                       // a line for each test; nil prints none
	Results  func(Suite)                                     // is told what ran; nil tells nobody
	Devices  []string                                        // what this machine has of what tests may need
	Job      string                                          // address of the job that this is, for the receipts; empty is a desk
	Log      *slog.Logger                                    // nil logs nothing
	Now      func() time.Time                                // nil is the clock
}

var _ step.Target = Step{}.Run

// NotBuilt is a target whose bytes are not in the registry.
type NotBuilt struct {
	Target model.TargetID
	Ref    string // where it was looked for
}

// Error says what to do first.
func (n *NotBuilt) Error() string {
	return fmt.Sprintf("testing %s: it is not in the registry (%s)\nhint: build it first: rootfsrun build %s", n.Target, n.Ref, n.Target.Node())
}

// Run tests the newest generation of a target that the registry has, and skips
// when these tests have passed on this digest before. A receipt is written
// only when every test has passed; else the error is a *Failed, or a
// *step.Untested where this machine lacks what the tests need.
func (s Step) Run(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if e.Action == model.ActionRetire {
		return model.Receipt{}, step.Skip("it is not built any more")
	}
	if p.Prefix == "" {
		return model.Receipt{}, fmt.Errorf("scope %s has no registry\nhint: name it in rootfsgen.yaml under registry.%s, or with --registry; on a desk run 'rootfsrun services start'", p.Scope, p.Scope)
	}
	repo := p.Prefix + "/" + e.Repository
	digest, generation, err := s.built(ctx, repo, e)
	if err != nil {
		return model.Receipt{}, err
	}
	key := model.TestStepKey(digest, e.TestsKey)
	r, found, err := s.Registry.Receipt(ctx, repo, model.ReceiptTag(model.StepTest, key))
	if err != nil {
		return model.Receipt{}, err
	}
	state := model.StateTag{Key: e.Key, Generation: generation, Step: model.StepTest, Digest: digest, StepKey: key}
	if found && r.Status == model.ReceiptPassed && r.Digest == digest {
		if err := s.Registry.PutState(ctx, repo, state, model.ReceiptTag(model.StepTest, key)); err != nil {
			return r, err
		}
		return r, step.Skip("these tests have passed on " + digest.Short())
	}
	if e.Device != "" && !slices.Contains(s.Devices, e.Device) {
		return model.Receipt{Digest: digest, Generation: generation}, &step.Untested{Device: e.Device}
	}
	suite, err := s.suite(ctx, repo+"@"+digest.String(), e)
	if err != nil {
		return model.Receipt{}, err
	}
	suite.StepKey = key
	if s.Results != nil {
		s.Results(suite)
	}
	if failed := suite.failed(); len(failed) > 0 {
		return model.Receipt{}, &Failed{Target: e.ID(), Results: failed, Of: len(suite.Results)}
	}
	r = model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepTest, StepKey: key, Status: model.ReceiptPassed,
		Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform.String(), Key: e.Key, Generation: generation,
		Digest: digest, Seconds: suite.took().Round(time.Millisecond).Seconds(), Run: s.Job, UpdatedAt: s.Now().UTC().Format(time.RFC3339),
	}
	if err := s.Registry.PutReceipt(ctx, repo, r); err != nil {
		return r, err
	}
	return r, s.Registry.PutState(ctx, repo, state, model.ReceiptTag(model.StepTest, key))
}

// built finds the newest generation of the target. The plan's own is asked for
// first when the list of tags knows no newer one.
func (s Step) built(ctx context.Context, repo string, e *model.Entry) (model.Digest, int, error) {
	tags, err := s.Registry.Tags(ctx, repo)
	if err != nil {
		return "", 0, err
	}
	generation := e.Generation
	for _, t := range tags {
		if k, g, ok := model.ParseContentTag(t); ok && k == e.Key {
			generation = max(generation, g)
		}
	}
	tag := model.ContentTag(e.Key, generation)
	d, found, err := s.Registry.Resolve(ctx, repo, tag)
	if err == nil && !found {
		err = &NotBuilt{Target: e.ID(), Ref: repo + ":" + tag}
	}
	return d.Digest, generation, err
}

// suite runs all the tests of a target. The error is of the engine; that a
// test failed is in its result.
func (s Step) suite(ctx context.Context, ref string, e *model.Entry) (Suite, error) {
	suite := Suite{Target: e.ID(), Ref: ref, Started: s.Now()}
	if len(e.Tests) == 0 {
		return suite, nil
	}
	client, err := s.BuildKit(ctx)
	if err != nil {
		return suite, err
	}
	err = client.Open(ctx, ref, e.Platform, func(ctx context.Context, root *buildkit.Rootfs) error {
		for _, t := range e.Tests {
			r, err := s.one(ctx, root, t)
			if err != nil {
				return fmt.Errorf("testing %s: %s: %w", e.ID(), t.Name, err)
			}
			suite.Results = append(suite.Results, r)
			s.print(e.ID(), r)
		}
		return nil
	})
	return suite, err
}

// one runs one test. Everything that is the image's or the test's fault is in
// the result.
func (s Step) one(ctx context.Context, root *buildkit.Rootfs, t model.Test) (Result, error) {
	limit := time.Duration(t.TimeoutSeconds) * time.Second
	if limit == 0 {
		limit = DefaultTimeout
	}
	args, err := arguments(ctx, root, t.Cmd)
	if err != nil {
		return Result{}, err
	}
	out := &tail{}
	limited, cancel := context.WithTimeoutCause(ctx, limit, errTooLong)
	defer cancel()
	start := s.Now()
	code, err := root.Run(limited, buildkit.Process{
		Args: args, Env: environment(root.Config.Env), Dir: directory(root.Config.WorkingDir), User: root.Config.User, Output: out,
	})
	r := Result{Test: t, Code: code, Took: s.Now().Sub(start), Output: out.String()}
	notStarted, unstarted := errors.AsType[*buildkit.NotStarted](err)
	switch {
	case ctx.Err() != nil:
		return r, context.Cause(ctx)
	case errors.Is(err, errTooLong):
		r.Problem = fmt.Sprintf("it did not end within %s", limit)
	case unstarted:
		r.Problem = notStarted.Error()
	case err != nil:
		return r, err
	case code == notFound && len(args) == 3:
		r.Problem = "exit code 127: the shell did not find a program"
	case code != 0:
		r.Problem = fmt.Sprintf("exit code %d", code)
	}
	return r, nil
}

// errTooLong ends a test that takes longer than it may.
var errTooLong = errors.New("the test's time is over")

// notFound is a shell's exit code for a program that it does not find.
const notFound = 127

func (s Step) print(id model.TargetID, r Result) {
	if s.Output == nil {
		return
	}
	verdict := "ok  "
	if r.Problem != "" {
		verdict = "FAIL"
	}
	line := fmt.Sprintf("%s | %s %s (%s)", id, verdict, r.Test.Name, r.Took.Round(time.Millisecond))
	if r.Problem != "" {
		line += ": " + r.Problem
		if out := strings.TrimSpace(r.Output); out != "" {
			line += "\n" + indent(lastLines(out, shownLines), id.String()+" |      ")
		}
	}
	_, _ = io.WriteString(s.Output, printable(line)+"\n") // progress that nobody sees is no failure
}
