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
	digest, _, err := c.config(ctx, ref, p)
	return digest, err
}

// Triggers are the ONBUILD instructions of an image for one platform.
func (c *Client) Triggers(ctx context.Context, ref string, p model.Platform) ([]string, error) {
	_, config, err := c.config(ctx, ref, p)
	if err != nil {
		return nil, err
	}
	var image struct {
		Config struct {
			OnBuild []string `json:"OnBuild"`
		} `json:"config"`
	}
	if err := json.Unmarshal(config, &image); err != nil {
		return nil, fmt.Errorf("reading the configuration of %s: %w", ref, err)
	}
	return image.Config.OnBuild, nil
}

// config is the digest that a reference stands for now, and the configuration
// of its image for one platform.
func (c *Client) config(ctx context.Context, ref string, p model.Platform) (model.Digest, []byte, error) {
	name, err := normalize(ref)
	if err != nil {
		return "", nil, err
	}
	var digest string
	var config []byte
	_, err = c.bk.Build(ctx, bk.SolveOpt{Session: c.attachables()}, "rootfsrun",
		func(ctx context.Context, g gw.Client) (*gw.Result, error) {
			_, d, found, err := g.ResolveImageConfig(ctx, name, sourceresolver.Opt{
				ImageOpt: &sourceresolver.ResolveImageOpt{Platform: &ocispecs.Platform{OS: p.OS, Architecture: p.Arch}},
			})
			if err == nil && !json.Valid(found) {
				err = fmt.Errorf("the configuration of %s is not JSON", name)
			}
			digest, config = d.String(), found
			return gw.NewResult(), err
		}, nil)
	switch {
	case err == nil:
		parsed, err := model.ParseDigest(digest)
		return parsed, config, err
	case ctx.Err() != nil:
		return "", nil, context.Cause(ctx)
	case grpcerrors.Code(err) == codes.Unavailable || trouble.MatchString(err.Error()):
		return "", nil, &Unavailable{Addr: c.addr, Err: fmt.Errorf("resolving %s: %w", name, err)}
	}
	return "", nil, fmt.Errorf("resolving %s: %w", name, err)
}
