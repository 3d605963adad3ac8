package buildkit

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	bk "github.com/moby/buildkit/client"
	"github.com/moby/buildkit/exporter/containerimage/exptypes"
	"github.com/tonistiigi/fsutil"
	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Files is a build's context.
type Files interface {
	fsutil.FS
	// ID is the same only for the same files with the same content: BuildKit
	// keeps contexts between builds and compares files by size and time alone.
	ID() string
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
	Secrets    map[string][]byte // what RUN --mount=type=secret reads, by id; never shown
	Contexts   []Context         // every image that may be read
	Folders    []Folder          // named contexts that are files
	Syntax     string            // another frontend, "repository@sha256:..."; empty is the daemon's own, whatever "# syntax=" says
	NoCache    bool              // run every instruction anew
	Progress   Progress          //
}

// Folder is a named context that is a set of files.
type Folder struct {
	Name  string // BuildKit's name for it, as in Context.Ref
	Files Files
}

// grace is how long a cancelled build may take to end.
const grace = 4 * time.Second

// Build builds and pushes by digest, without any tag, and returns the digest
// of the platform's manifest. A failing instruction is a *Failure, a daemon or
// registry in trouble an *Unavailable.
func (c *Client) Build(ctx context.Context, r Request) (model.Digest, error) {
	opt, err := c.solveOpt(r)
	if err != nil {
		return "", err
	}
	hidden, err := newSecrets(r.Secrets)
	if err != nil {
		return "", fmt.Errorf("building %s: %w", r.Name, err)
	}
	opt.Session = append(opt.Session, hidden.attachables()...)
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	opt.LocalMounts["context"] = &watched{FS: r.Files, stop: cancel}
	for _, f := range r.Folders {
		opt.LocalMounts[local(f.Name)] = &watched{FS: f.Files, stop: cancel}
	}
	var resp *bk.SolveResponse
	var said *tails
	err = overLeftover(func() error {
		said = newTails()
		resp, err = c.solve(ctx, opt, func(status chan *bk.SolveStatus) error { return show(hidden.redacting(status), said, r.Progress) })
		return err
	})
	switch {
	case ctx.Err() != nil:
		return "", fmt.Errorf("building %s: %w", r.Name, context.Cause(ctx))
	case err != nil:
		return "", hidden.error(c.explain(err, said, r))
	}
	return model.ParseDigest(resp.ExporterResponse[exptypes.ExporterImageDigestKey])
}

// solve builds while watch reads what the daemon says of it.
func (c *Client) solve(ctx context.Context, opt bk.SolveOpt, watch func(chan *bk.SolveStatus) error) (*bk.SolveResponse, error) {
	var resp *bk.SolveResponse
	err := within(ctx, grace, func() error {
		var g errgroup.Group
		status := make(chan *bk.SolveStatus)
		g.Go(func() error { return watch(status) })
		g.Go(func() (err error) {
			resp, err = c.bk.Solve(ctx, nil, opt, status)
			return err
		})
		return g.Wait()
	})
	if err != nil {
		return nil, err // it may go on behind our back
	}
	return resp, nil
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

func (c *Client) solveOpt(r Request) (bk.SolveOpt, error) {
	var sources []string
	for _, c := range r.Contexts {
		sources = append(sources, c.Source)
	}
	if r.Syntax != "" {
		sources = append(sources, r.Syntax)
	}
	policy, err := sourcePolicy(sources)
	if err != nil {
		return bk.SolveOpt{}, fmt.Errorf("building %s: %w", r.Name, err)
	}
	attrs, err := frontendAttrs(r)
	if err != nil {
		return bk.SolveOpt{}, err
	}
	addProxies(attrs, c.Proxies, r.Dockerfile)
	return bk.SolveOpt{
		Frontend:      "dockerfile.v0",
		FrontendAttrs: attrs,
		LocalMounts:   map[string]fsutil.FS{"dockerfile": dockerfileFS(r.Dockerfile)},
		SharedKey:     sharedKey(r),
		Session:       c.attachables(),
		SourcePolicy:  policy,
		Exports: []bk.ExportEntry{{Type: bk.ExporterImage, Attrs: map[string]string{
			"name": r.Repository, "push": "true", "push-by-digest": "true", "name-canonical": "true",
			"oci-mediatypes": "true", "rewrite-timestamp": "true",
		}}},
	}, nil
}

// local is how the files of a named context are called between this program and
// the daemon, which writes it into the history of an image that begins with
// them: it is the name that other builders give, too.
func local(name string) string {
	if name == "context" || name == "dockerfile" {
		return "_" + name
	}
	return name
}

// sharedKey is the same only for the same files: the daemon keeps what it was
// sent under it.
func sharedKey(r Request) string {
	all := []byte(r.Files.ID())
	for _, f := range r.Folders {
		all = fmt.Appendf(all, " %q %s", f.Name, f.Files.ID())
	}
	return model.DigestOf(all).Hex()
}

func frontendAttrs(r Request) (map[string]string, error) {
	attrs := map[string]string{
		"filename":                    dockerfileName,
		"platform":                    r.Platform.String(),
		"build-arg:SOURCE_DATE_EPOCH": strconv.Itoa(model.SourceDateEpoch),
	}
	for _, c := range r.Contexts {
		attrs["context:"+c.Ref] = imageScheme + c.Source
	}
	for _, f := range r.Folders {
		attrs["context:"+f.Name] = "local:" + local(f.Name)
	}
	if r.Syntax != "" {
		attrs["build-arg:BUILDKIT_SYNTAX"] = r.Syntax
	} else {
		attrs["cmdline"] = "dockerfile.v0" // where it is set no other frontend is looked for
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
