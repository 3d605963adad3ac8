package buildkit

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"strings"
	"syscall"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/client/llb"
	"github.com/moby/buildkit/client/llb/sourceresolver"
	gw "github.com/moby/buildkit/frontend/gateway/client"
	gwpb "github.com/moby/buildkit/frontend/gateway/pb"
	"github.com/moby/buildkit/solver/pb"
	"github.com/moby/buildkit/util/grpcerrors"
	ocispecs "github.com/opencontainers/image-spec/specs-go/v1"
	"google.golang.org/grpc/codes"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Rootfs is an image whose files can be looked at and whose programs can be
// run. Nothing that a program does to its files outlives it.
type Rootfs struct {
	Config   ocispecs.ImageConfig // USER, ENV, WORKDIR and the like, as the image has them
	gw       gw.Client
	ref      gw.Reference
	platform *pb.Platform
}

// Open makes the image at ref, "host/repository@sha256:...", ready and calls
// use with it. The error of use is returned as it is.
func (c *Client) Open(ctx context.Context, ref string, p model.Platform, use func(context.Context, *Rootfs) error) error {
	var own error
	err := within(ctx, grace, func() error {
		_, err := c.bk.Build(ctx, bk.SolveOpt{Session: c.attachables()}, "rootfsrun",
			func(ctx context.Context, g gw.Client) (*gw.Result, error) {
				r, err := open(ctx, g, ref, p)
				if err == nil {
					own = use(ctx, r)
					err = own
				}
				return gw.NewResult(), err
			}, nil)
		return err
	})
	switch {
	case ctx.Err() != nil:
		return context.Cause(ctx)
	case err == nil:
		return nil
	case own != nil && grpcerrors.Code(err) != codes.Unavailable:
		return own
	case grpcerrors.Code(err) == codes.Unavailable || trouble.MatchString(err.Error()):
		return &Unavailable{Addr: c.addr, Err: fmt.Errorf("opening %s: %w", ref, err)}
	}
	return fmt.Errorf("opening %s: %w", ref, err)
}

func open(ctx context.Context, g gw.Client, ref string, p model.Platform) (*Rootfs, error) {
	platform := &ocispecs.Platform{OS: p.OS, Architecture: p.Arch}
	_, _, config, err := g.ResolveImageConfig(ctx, ref, sourceresolver.Opt{ImageOpt: &sourceresolver.ResolveImageOpt{Platform: platform}})
	if err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	var image ocispecs.Image
	if err := json.Unmarshal(config, &image); err != nil {
		return nil, fmt.Errorf("reading the image's configuration: %w", err)
	}
	def, err := llb.Image(ref).Marshal(ctx, llb.Platform(*platform))
	if err != nil {
		return nil, err
	}
	var res *gw.Result
	if err := overLeftover(func() error {
		res, err = g.Solve(ctx, gw.SolveRequest{Definition: def.ToPB(), Evaluate: true})
		return err
	}); err != nil {
		return nil, err
	}
	single, err := res.SingleRef()
	if err != nil {
		return nil, err
	}
	return &Rootfs{Config: image.Config, gw: g, ref: single, platform: &pb.Platform{OS: p.OS, Architecture: p.Arch}}, nil
}

// Stat is the mode of a file, symlinks followed inside the image; false where
// there is none.
func (r *Rootfs) Stat(ctx context.Context, path string) (fs.FileMode, bool, error) {
	st, err := r.ref.StatFile(ctx, gw.StatRequest{Path: path})
	switch {
	case err == nil:
		return os.FileMode(st.Mode), true, nil
	case errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ENOTDIR) || absent(err):
		return 0, false, nil
	}
	return 0, false, fmt.Errorf("looking at %s: %w", path, err)
}

// absent recognises the error of a missing file after it came over the wire.
func absent(err error) bool {
	s := err.Error()
	return strings.HasSuffix(s, "no such file or directory") || strings.HasSuffix(s, "not a directory")
}

// Process is one program to run in a Rootfs.
type Process struct {
	Args   []string
	Env    []string  // "NAME=value"
	Dir    string    // working directory
	User   string    // as USER of a Dockerfile has it; empty is root
	Output io.Writer // both of its streams
}

// NotStarted is a program that could not be run at all: it never had an exit
// code of its own.
type NotStarted struct{ Reason string }

// Error is the reason.
func (n *NotStarted) Error() string { return "the program could not be started: " + n.Reason }

// stopGrace is how long a program may take to end after it was killed.
const stopGrace = 3 * time.Second

// Run runs the program in a fresh container without a network, and returns its
// exit code. When ctx ends first the program is killed and ctx's cause is the
// error.
func (r *Rootfs) Run(ctx context.Context, p Process) (int, error) {
	calls, cancel := context.WithCancel(context.WithoutCancel(ctx))
	defer cancel()
	ctr, err := r.gw.NewContainer(calls, gw.NewContainerRequest{
		NetMode: pb.NetMode_NONE, Platform: r.platform,
		Mounts: []gw.Mount{{Dest: "/", MountType: pb.MountType_BIND, Ref: r.ref}},
	})
	if err != nil {
		return 0, fmt.Errorf("preparing a container: %w", err)
	}
	release := func() error {
		end, cancel := context.WithTimeout(calls, stopGrace)
		defer cancel()
		return ctr.Release(end)
	}
	out := &sharedWriter{w: p.Output}
	proc, err := ctr.Start(calls, gw.StartRequest{
		Args: p.Args, Env: p.Env, Cwd: p.Dir, User: p.User, Stdout: out.stream(), Stderr: out.stream(),
	})
	if err != nil {
		_ = release() // the first error is the one that says why
		return 0, &NotStarted{Reason: err.Error()}
	}
	ended := make(chan error, 1)
	go func() { ended <- proc.Wait() }()
	select {
	case err = <-ended:
	case <-ctx.Done():
		_ = proc.Signal(calls, syscall.SIGKILL) // releasing the container ends it too
		_ = release()
		out.close()
		return 0, context.Cause(ctx)
	}
	if e := release(); e != nil && err == nil {
		err = fmt.Errorf("releasing the container: %w", e)
	}
	return exitCode(err, out.tail())
}

// noStart is what the container runtime prints in the program's place when
// there is nothing to run.
const noStart = "runc run failed: unable to start container process: "

func exitCode(err error, printed string) (int, error) {
	if err == nil {
		return 0, nil
	}
	var exit *gwpb.ExitError
	if !errors.As(err, &exit) {
		return 0, err
	}
	if _, reason, found := strings.Cut(printed, noStart); found {
		return 0, &NotStarted{Reason: strings.TrimSpace(reason)}
	}
	return int(exit.ExitCode), nil
}
