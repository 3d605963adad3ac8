package runcmd

import (
	"bytes"
	"context"
	"errors"
	"sync"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// sealed adds to the options of a registry's client that receipts are signed,
// and which count, where trust.builders names anybody. Keys are read when the
// first receipt is written or read.
func sealed(a *app.App, o registry.Options, how *model.Signing, whom *model.Trust) registry.Options {
	if whom == nil || len(whom.Builders) == 0 {
		return o
	}
	judge := sync.OnceValues(func() (*sign.Judge, error) {
		options, err := signOptions(a)
		if err != nil {
			return nil, err
		}
		return sign.Trusting(context.Background(), whom.Builders, whom.Root, options)
	})
	o.TrustReceipt = func(_ context.Context, bundle, statement []byte, digest model.Digest) error {
		j, err := judge()
		if err != nil {
			return err
		}
		signed, err := j.Verify(bundle, digest)
		if err == nil && !bytes.Equal(signed.Payload, statement) {
			err = errors.New("it says something else than what was signed")
		}
		return err
	}
	if how == nil || !how.On() {
		return o
	}
	signer := sync.OnceValues(func() (*sign.Signer, error) {
		options, err := signOptions(a)
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
