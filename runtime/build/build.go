// Package build carries out the build step of a target: it finds out whether
// its bytes are in the registry already and still made of today's parents,
// and makes them where they are not.
package build

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// DefaultTimeout is how long a build may take that says nothing about it.
const DefaultTimeout = 2 * time.Hour

// Step builds targets. It is safe for concurrent use.
type Step struct {
	Registry  *registry.Client
	BuildKit  func(context.Context) (*buildkit.Client, error) // asked for when something must be built
	Objects   gitcontext.Objects                              // of the repository that was planned
	Cache     string                                          // the repository's .cache folder
	Artifacts string                                          // folder for build-artifacts/*.json; empty writes none
	Progress  string                                          // one of buildkit.Modes
	Output    io.Writer                                       // where progress is shown; nil shows none
	Tested    bool                                            // build on no parent that has not passed the tests that the plan runs on it
	Attribute bool                                            // put the target's name before each line of progress
	Log       *slog.Logger                                    // nil logs nothing
	Now       func() time.Time                                // nil is the clock
	Env       func(name string) string                        // where the values of secrets are; nil has none
	// Debian makes a root filesystem; nil is debian.Build.
	Debian func(context.Context, debian.Request) (v1.Image, error)
}

var _ step.Target = Step{}.Run

// Run makes sure that the registry has the target's bytes, made of the parents
// that it has now, under the content tag of the current generation and with a
// receipt. Where nothing had to be built it skips; the receipt is returned in
// either case.
func (s Step) Run(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
	s = s.withDefaults()
	if e.Recipe == nil || e.Action == model.ActionRetire {
		return model.Receipt{}, step.Skip("it is not built any more")
	}
	if p.Prefix == "" {
		return model.Receipt{}, fmt.Errorf("scope %s has no registry\nhint: name it in rootfsgen.yaml under registry.%s, or with --registry; on a desk run 'rootfsrun services start'", p.Scope, p.Scope)
	}
	j := &job{Step: s, plan: p, entry: e, repo: p.Prefix + "/" + e.Repository, look: newLook(ctx, s.Registry, p)}
	if err := j.gather(ctx); err != nil {
		return model.Receipt{}, err
	}
	r, how, err := j.settle(ctx)
	if err != nil {
		return model.Receipt{}, err
	}
	if err := j.lift(ctx, r.Generation); err != nil {
		return model.Receipt{}, err
	}
	if how != "" {
		return r, step.Skip(how)
	}
	return r, nil
}

func (s Step) withDefaults() Step {
	if s.Now == nil {
		s.Now = time.Now
	}
	if s.Env == nil {
		s.Env = func(string) string { return "" }
	}
	if s.Log == nil {
		s.Log = slog.New(slog.DiscardHandler)
	}
	if s.Debian == nil {
		s.Debian = debian.Build
	}
	return s
}

// job is one target on its way.
type job struct {
	Step
	plan   *model.Plan
	entry  *model.Entry
	repo   string
	look   *look
	inputs inputs
	own    content // the newest that is there, if any
	peers  int     // the highest generation that any platform of the target has, -1 for none
}

// gather reads everything that the decision rests on, all of it at once.
func (j *job) gather(ctx context.Context) error {
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		j.inputs, err = j.resolve(ctx, j.entry)
		return err
	})
	g.Go(func() (err error) {
		j.own, err = j.look.find(ctx, j.entry.Repository, j.entry.Key, j.entry.Generation)
		return err
	})
	g.Go(func() (err error) {
		j.peers, err = j.look.highest(j.entry.Repository, siblings(j.plan, j.entry))
		return err
	})
	return g.Wait()
}

// settle brings the target to its generation. how says in one clause why
// nothing was built, and is empty where something was.
//
// The generation follows from what every job of every platform reads in the
// registry, and never falls: it is at least the plan's, that of each parent,
// and the highest that any platform of the target has. Content of an older
// generation that is made of today's parents is carried over; what is made of
// others is built anew, as the next generation when it is the current one.
func (j *job) settle(ctx context.Context) (r model.Receipt, how string, err error) {
	need := max(j.entry.Generation, j.peers, j.own.Generation, j.inputs.generation)
	if !j.own.Found || asked(j.entry) && j.own.Generation < j.entry.Generation {
		r, err = j.make(ctx, need)
		return r, "", err
	}
	receipt, fits, err := j.fits(ctx, j.entry, j.own, j.inputs)
	if err != nil {
		return r, "", err
	}
	if !fits {
		if j.own.Generation == need {
			need++
		}
		j.Log.Info("a parent or base is another one than before: building the next generation", "target", j.entry.ID(), "generation", need)
		r, err = j.make(ctx, need)
		return r, "", err
	}
	how = "it is there as " + model.ContentTag(j.entry.Key, need)
	if receipt != nil && j.own.Generation == need && j.own.repo == j.repo {
		if err := j.finish(ctx, j.entry, *receipt); err != nil {
			return r, "", err
		}
		return *receipt, how, j.report(ctx, *receipt)
	}
	r, err = j.adopt(ctx, j.entry, j.own, need, j.inputs)
	if err != nil {
		return r, "", err
	}
	return r, how, j.report(ctx, r)
}

// asked tells whether the plan wants the target built although no input of it
// has changed.
func asked(e *model.Entry) bool {
	for _, r := range e.Reasons {
		if r.Kind == model.ReasonForced || r.Kind == model.ReasonRebuildAll {
			return true
		}
	}
	return false
}

// make builds the target as the given generation and publishes it.
func (j *job) make(ctx context.Context, generation int) (model.Receipt, error) {
	timeout := time.Duration(j.entry.Recipe.TimeoutSeconds) * time.Second
	if timeout == 0 {
		timeout = DefaultTimeout
	}
	limited, cancel := context.WithTimeoutCause(ctx, timeout, fmt.Errorf("not finished within %s", timeout))
	defer cancel()
	start := j.Now()
	digest, err := j.bytes(limited)
	if err != nil {
		return model.Receipt{}, err
	}
	r, err := j.publish(ctx, j.entry, digest, generation, j.inputs, j.Now().Sub(start))
	if err != nil {
		return model.Receipt{}, err
	}
	return r, j.report(ctx, r)
}

// publish tags digest as the content of a generation and writes the receipt,
// side by side. took is how long it took to make, 0 where that is not known.
// Where somebody else was first, theirs is what counts from here on.
func (j *job) publish(ctx context.Context, e *model.Entry, digest model.Digest, generation int, in inputs, took time.Duration) (model.Receipt, error) {
	r := model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepBuild, StepKey: model.BuildStepKey(e.Key, generation), Status: model.ReceiptPassed,
		Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform.String(), Key: e.Key, Generation: generation,
		Digest: digest, Inputs: in.materials, Seconds: took.Round(time.Millisecond).Seconds(), UpdatedAt: j.Now().UTC().Format(time.RFC3339),
	}
	repo := j.plan.Prefix + "/" + e.Repository
	winner := digest
	g, gctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) {
		winner, err = j.Registry.TagOnce(gctx, repo, digest, model.ContentTag(e.Key, generation))
		return err
	})
	g.Go(func() error { return j.Registry.PutReceipt(gctx, repo, r) })
	if err := g.Wait(); err != nil {
		return model.Receipt{}, fmt.Errorf("publishing %s: %w", e.ID(), err)
	}
	if winner != digest && j.Registry.JudgesReceipts(repo) {
		return model.Receipt{}, &registry.Unavailable{
			Doing: "publishing " + e.ID().String(), Attempts: 1,
			Err: fmt.Errorf("somebody else tagged %s at the same moment, which nobody who is trusted has vouched for", winner.Short()),
		}
	}
	if winner != digest {
		j.Log.Info("another build of the same key was first: taking its digest", "target", e.ID(), "digest", winner.Short())
		r.Digest = winner
		if err := j.Registry.PutReceipt(ctx, repo, r); err != nil {
			return r, err
		}
	}
	return r, j.finish(ctx, e, r)
}

// finish says to whoever plans next that the build is done, and that the tests
// are which have passed on the same bytes under another generation.
func (j *job) finish(ctx context.Context, e *model.Entry, r model.Receipt) error {
	repo := j.plan.Prefix + "/" + e.Repository
	state := model.StateTag{Key: r.Key, Generation: r.Generation, Step: model.StepBuild, Digest: r.Digest, StepKey: r.StepKey}
	if err := j.Registry.PutState(ctx, repo, state, r.Digest.String()); err != nil {
		return err
	}
	if r.Generation == 0 {
		return nil
	}
	state.Step, state.StepKey = model.StepTest, model.TestStepKey(r.Digest, e.TestsKey)
	tag := model.ReceiptTag(model.StepTest, state.StepKey)
	if _, found, err := j.Registry.Resolve(ctx, repo, tag); err != nil || !found {
		return err
	}
	return j.Registry.PutState(ctx, repo, state, tag)
}

// report writes the target's file for the jobs that come after.
func (j *job) report(ctx context.Context, r model.Receipt) error {
	if j.Artifacts == "" {
		return nil
	}
	size, err := imageSize(ctx, j.Registry, j.repo, r.Digest)
	if err != nil {
		return err
	}
	tag := model.ContentTag(r.Key, r.Generation)
	return artifact.Write(j.Artifacts, artifact.Artifact{
		ImageID: j.entry.Image, File: j.plan.FileName(j.entry.ID()), Ref: j.repo + ":" + tag, Tag: tag, Digest: r.Digest, Size: size,
		Arch: artifact.Arch{j.entry.Platform.Arch}, UpdatedAt: j.Now(),
	})
}
