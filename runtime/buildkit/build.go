package buildkit

import (
	"context"
	"fmt"
	"maps"
	"os"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/moby/buildkit/util/staticfs"
	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Files is a build's context.
type Files interface {
	fsutil.FS
	// ID is the same only for the same files with the same content: BuildKit
	// keeps contexts between builds and compares files by size and time alone.
	ID() string
	// Err is the first error of a read: BuildKit takes a file that cannot be
	// opened for an empty one.
	Err() error
}

// Request is one build of one platform.
type Request struct {
	Name       string            // what is built, for people
	Repository string            // "host/path" to push to, by digest only
	Platform   model.Platform    //
	Dockerfile []byte            //
	Path       string            // of the Dockerfile, for messages
	Files      Files             // exactly what COPY and ADD can read
	Stage      string            // empty is the last
	Args       map[string]string // build arguments
	Contexts   []Context         // every image that may be read
	NoCache    bool              // run every instruction anew
	Progress   Progress          //
}

// grace is how long a cancelled build may take to end.
const grace = 4 * time.Second

// Build builds and pushes by digest, without any tag, and returns the digest
// of the platform's manifest. A failing instruction is a *Failure, a daemon or
// registry in trouble an *Unavailable.
func (c *Client) Build(ctx context.Context, r Request) (model.Digest, error) {
	opt, err := solveOpt(r)
	if err != nil {
		return "", err
	}
	status := make(chan *bk.SolveStatus)
	tails := newTails()
	var resp *bk.SolveResponse
	err = within(ctx, grace, func() error {
		var g errgroup.Group
		g.Go(func() error { return show(status, tails, r.Progress) })
		g.Go(func() error {
			var err error
			resp, err = c.bk.Solve(ctx, nil, opt, status)
			return err
		})
		return g.Wait()
	})
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("building %s: %w", r.Name, context.Cause(ctx))
	case r.Files.Err() != nil:
		return "", fmt.Errorf("reading the context of %s: %w", r.Name, r.Files.Err())
	case err != nil:
		return "", c.explain(err, tails, r)
	}
	return model.ParseDigest(resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

// within runs f, and gives up on it when it has not returned some time after
// ctx has ended: a daemon that hangs must not keep this program from ending.
func within(ctx context.Context, grace time.Duration, f func() error) error {
	done := make(chan error, 1)
	go func() { done <- f() }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	t := time.NewTimer(grace)
	defer t.Stop()
	select {
	case err := <-done:
		return err
	case <-t.C:
		return context.Cause(ctx)
	}
}

func solveOpt(r Request) (bk.SolveOpt, error) {
	policy, err := sourcePolicy(r.Contexts)
	if err != nil {
		return bk.SolveOpt{}, err
	}
	attrs, err := frontendAttrs(r)
	if err != nil {
		return bk.SolveOpt{}, err
	}
	return bk.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attrs,
		LocalMounts:   map[string]fsutil.FS{"context": r.Files, "dockerfile": dockerfileFS(r)},
		SharedKey:     r.Files.ID(),
		Session:       attachables(),
		SourcePolicy:  policy,
		Exports: []bk.ExportEntry{{Type: bk.ExporterImage, Attrs: map[string]string{
			"name": r.Repository, "push": "true", "push-by-digest": "true", "name-canonical": "true",
			"oci-mediatypes": "true", "rewrite-timestamp": "true",
		}}},
	}, nil
}

func frontendAttrs(r Request) (map[string]string, error) {
	attrs := map[string]string{
		"filename":                    r.Path,
		"platform":                    r.Platform.String(),
		"build-arg:SOURCE_DATE_EPOCH": strconv.Itoa(model.SourceDateEpoch),
	}
	if r.Stage != "" {
		attrs["target"] = r.Stage
	}
	if r.NoCache {
		attrs["no-cache"] = ""
	}
	for _, name := range slices.Sorted(maps.Keys(r.Args)) {
		if strings.HasPrefix(name, "BUILDKIT_") || name == "SOURCE_DATE_EPOCH" {
			return nil, fmt.Errorf("build argument %s of %s is reserved: the builder sets it itself", name, r.Name)
		}
		attrs["build-arg:"+name] = r.Args[name]
	}
	return attrs, nil
}

// dockerfileFS holds the Dockerfile alone, and an ignore file without
// patterns: the context has been filtered, and a .dockerignore in it must not
// filter it again.
func dockerfileFS(r Request) fsutil.FS {
	fs := staticfs.NewFS()
	for dir := path.Dir(r.Path); dir != "."; dir = path.Dir(dir) {
		fs.Add(dir, &types.Stat{Mode: uint32(os.ModeDir | 0o755)}, nil)
	}
	fs.Add(r.Path, &types.Stat{Mode: 0o644}, r.Dockerfile)
	fs.Add(r.Path+".dockerignore", &types.Stat{Mode: 0o644}, []byte("# the context is filtered already\n"))
	return fs
}
