package buildkit

import (
	"context"
	"encoding/json"
	"fmt"
	"io"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gw "github.com/moby/buildkit/frontend/gateway/client"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// RunRequest is one command in one image.
type RunRequest struct {
	Ref      string // "host/repository@sha256:..."
	Platform model.Platform
	Args     []string
	Output   io.Writer
}

// Run runs one command as the image's own user, with its environment and in
// its working directory, and returns the exit code.
func (c *Client) Run(ctx context.Context, r RunRequest) (int, error) {
	code := 0
	err := c.Open(ctx, r.Ref, r.Platform, func(ctx context.Context, root *Rootfs) error {
		var err error
		code, err = root.Run(ctx, Process{
			Args: r.Args, Env: root.Config.Env, Dir: root.Config.WorkingDir, User: root.Config.User, Output: r.Output,
		})
		return err
	})
	return code, err
}

// Resolve asks the daemon what an outside reference stands for now, through
// the mirrors that it is set up with. The digest is that of the index where
// there is one.
func (c *Client) Resolve(ctx context.Context, ref string, p model.Platform) (model.Digest, error) {
	name, err := normalize(ref)
	if err != nil {
		return "", err
	}
	var digest string
	_, err = c.bk.Build(ctx, bk.SolveOpt{Session: attachables()}, "rootfsrun",
		func(ctx context.Context, g gw.Client) (*gw.Result, error) {
			_, d, config, err := g.ResolveImageConfig(ctx, name, sourceresolver.Opt{
				ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &ocispecs.Platform{OS: p.OS, Architecture: p.Arch}},
			})
			if err == nil && !json.Valid(config) {
				err = fmt.Errorf("the configuration of %s is not JSON", name)
			}
			digest = d.String()
			return gw.NewResult(), err
		}, nil)
	switch {
	case err == nil:
		return model.ParseDigest(digest)
	case ctx.Err() != nil:
		return "", context.Cause(ctx)
	case grpcerrors.Code(err) == codes.Unavailable || trouble.MatchString(err.Error()):
		return "", &Unavailable{Addr: c.addr, Err: fmt.Errorf("resolving %s: %w", name, err)}
	}
	return "", fmt.Errorf("resolving %s: %w", name, err)
}
