package planning

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// SignOptions say where keys and tokens of this process are; scope is that of
// the registry that it writes to, empty for one that only looks.
func SignOptions(a *app.App, scope string) (sign.Options, error) {
	root, err := a.Root()
	return sign.Options{Dir: root, Env: a.Env, Scope: scope}, err
}

// Sealed adds to the options of a registry's client that receipts are signed,
// and which count, where trust.builders names anybody. Keys are read when the
// first receipt is written or read. A request's own scope, which o.Unjudged
// names, is left out: its jobs are nobody whom others trust, and need not be.
func Sealed(a *app.App, o registry.Options, how *model.Signing, whom *model.Trust) registry.Options {
	if whom == nil || len(whom.Builders) == 0 {
		return o
	}
	judge := sync.OnceValues(func() (*sign.Judge, error) {
		options, err := SignOptions(a, o.Scope)
		if err != nil {
			return nil, err
		}
		return sign.Trusting(context.Background(), whom.Builders, whom.Root, options)
	})
	o.TrustReceipt = func(_ context.Context, bundle, statement []byte, digest model.Digest) error {
		j, err := judge()
		if err != nil {
			return &registry.Unjudged{Err: err}
		}
		signed, err := j.Verify(bundle, digest)
		if err == nil && !bytes.Equal(signed.Payload, statement) {
			err = errors.New("it says something else than what was signed")
		}
		return err
	}
	if how == nil || !how.On() || o.Scope == model.ScopePR { // nobody reads what a request has built but its own jobs
		return o
	}
	signer := sync.OnceValues(func() (*sign.Signer, error) {
		options, err := SignOptions(a, o.Scope)
		if err != nil {
			return nil, err
		}
		return sign.Open(context.Background(), *how, options)
	})
	o.SignReceipt = func(ctx context.Context, statement []byte) ([]byte, error) {
		s, err := signer()
		if err != nil {
			return nil, err
		}
		return s.Sign(ctx, statement)
	}
	return o
}

// vouched takes from what the registry has the content that nobody who is
// trusted says to have built: what remains is its generation, so that it is
// built anew as the next one. It costs a request for each target, and only
// where trust.builders names anybody.
func vouched(ctx context.Context, c *registry.Client, prefix string, repositories map[string]model.RepositoryState) error {
	if !c.JudgesReceipts(prefix + "/") {
		return nil
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for repo, state := range repositories {
		g.Go(func() error {
			for key, content := range state.Contents {
				r, found, err := c.Receipt(ctx, prefix+"/"+repo, model.ReceiptTag(model.StepBuild, model.BuildStepKey(key, content.Generation)))
				if err != nil {
					return err
				}
				if !found || r.Digest != content.Digest {
					state.Contents[key] = model.Content{Generation: content.Generation}
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// inParallel bounds how many repositories are asked about at once.
const inParallel = 16
