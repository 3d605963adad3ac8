// Package local scans with grype, on this machine: what syft's list of an
// image's packages says, against a database in a folder. Nothing of it needs a
// network, once the folder is filled.
//
// It fails closed. A database that is not there, is empty, is older than the
// policy allows, or is from the future; a scanner that crashes, hangs, or whose
// answer breaks off; an image without packages, or with packages or of a system
// that the scanner knows nothing about: each is a state of its own, and none is
// "finished".
package local

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"runtime"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// Options say what a Source works with.
type Options struct {
	Grype   string                // path of the program
	SBOM    sbom.Step             // makes the lists of packages, or reads those that are attached
	DB      string                // folder of the database
	MaxAge  time.Duration         // of the database; 0 is any
	Timeout time.Duration         // for one image; 0 is DefaultTimeout
	Store   *scan.Store           // of scans that need not be done again; nil for none
	Prepare func(context.Context) // is called once, before the database is first read; nil does nothing
	Log     *slog.Logger          // nil logs nothing
	Now     func() time.Time
}

// DefaultTimeout is how long one image may take.
const DefaultTimeout = 10 * time.Minute

// skew is how far the clock of who made a database may be ahead of this
// machine's.
const skew = 5 * time.Minute

// Source is grype. It is safe for concurrent use.
type Source struct {
	o    Options
	busy chan struct{} // one place for each image that is being scanned
	db   *database
}

var _ scan.Source = (*Source)(nil)

// New makes a source. It runs nothing until it is asked.
func New(o Options) *Source {
	if o.Timeout == 0 {
		o.Timeout = DefaultTimeout
	}
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	return &Source{o: o, busy: make(chan struct{}, runtime.NumCPU()), db: &database{program: o.Grype, dir: o.DB, prepare: o.Prepare}}
}

// Name is the source's, as policies name it.
func (s *Source) Name() string { return model.SourceLocal }

// trouble is why a scan has not finished.
type trouble struct {
	state  string
	detail string
	empty  bool // the image has no packages at all
}

// Error is the detail.
func (t *trouble) Error() string { return t.detail }

// Scan scans the image of one platform, unless that was done before with the
// same scanner and database.
func (s *Source) Scan(ctx context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error) {
	r := scan.Request{Repo: repo, Target: target, Digest: digest}
	return s.guarded(ctx, r, func(ctx context.Context, out *model.Scan) error {
		if s.o.Store != nil {
			old, found, err := s.o.Store.Load(ctx, r, s.Name(), out.Tool, out.Database)
			if err != nil {
				return err
			}
			if found {
				*out = old
				return nil
			}
		}
		docs, err := s.o.SBOM.Documents(ctx, sbom.Subject{Repo: repo, Target: target, Digest: digest}, []string{sbom.Syft})
		if err != nil {
			return err
		}
		return s.match(ctx, docs[0].Body, out)
	})
}

// Archive scans an image in a tar file, which the answer calls name. Nothing is
// kept of it. What the file does not say about its image stays empty.
func (s *Source) Archive(ctx context.Context, file, name string) (model.Scan, error) {
	return s.guarded(ctx, scan.Request{Target: model.TargetID{Image: name}}, func(ctx context.Context, out *model.Scan) error {
		docs, err := s.o.SBOM.Program.Archive(ctx, file, []string{sbom.Syft})
		if err != nil {
			return err
		}
		var platform model.Platform
		out.Digest, platform = sbom.Source(docs[sbom.Syft])
		out.Platform = platform.String()
		return s.match(ctx, docs[sbom.Syft], out)
	})
}

// guarded checks the database, calls f within the time that there is, and makes
// a state of whatever goes wrong.
func (s *Source) guarded(ctx context.Context, r scan.Request, f func(context.Context, *model.Scan) error) (model.Scan, error) {
	select {
	case s.busy <- struct{}{}:
		defer func() { <-s.busy }()
	case <-ctx.Done():
		return model.Scan{}, context.Cause(ctx)
	}
	out := r.State(s.Name(), model.ScanFinished, "")
	limited, cancel := context.WithTimeoutCause(ctx, s.o.Timeout, errTooLong)
	defer cancel()
	err := s.ready(limited, &out)
	if err == nil {
		err = f(limited, &out)
	}
	if ctx.Err() != nil {
		return model.Scan{}, context.Cause(ctx)
	}
	if out.Time == "" {
		out.Time = s.o.Now().UTC().Format(time.RFC3339)
	}
	if err == nil {
		return out, nil
	}
	out.State, out.Detail, out.Findings = model.ScanFailed, sbom.Clean(oneLine(err)), []model.Finding{}
	if t, ok := errors.AsType[*trouble](err); ok {
		out.State, out.Empty = t.state, t.empty
	}
	if errors.Is(err, errTooLong) {
		out.State, out.Detail = model.ScanRunning, fmt.Sprintf("it did not end within %s", s.o.Timeout)
	}
	if errors.Is(err, registry.ErrAbsent) {
		out.State = model.ScanMissing
	}
	s.o.Log.Debug("not scanned", "target", r.Target.String(), "state", out.State, "why", err)
	return out, nil
}

var errTooLong = errors.New("it took too long")

// oneLine is the first line of an error: a scanner's last words may be long.
func oneLine(err error) string {
	line, _, _ := strings.Cut(err.Error(), "\n")
	return line
}

// ready says which program and database an answer will stand on, and whether
// they are fit to be asked.
func (s *Source) ready(ctx context.Context, out *model.Scan) error {
	tool, built, err := s.db.read(ctx)
	out.Tool = tool
	if err != nil {
		return err
	}
	lister, err := s.o.SBOM.Program.Version(ctx) // another one may find packages that this one does not
	if err != nil {
		return err
	}
	out.Tool += ", " + lister
	out.Database = built.UTC().Format(time.RFC3339)
	now := s.o.Now()
	switch {
	case built.After(now.Add(skew)):
		return &trouble{state: model.ScanFailed, detail: fmt.Sprintf("the database is of %s, which is in the future: one of two clocks is wrong", out.Database)}
	case s.o.MaxAge > 0 && now.Sub(built) > s.o.MaxAge:
		return &trouble{state: model.ScanStale, detail: fmt.Sprintf("the database is of %s, older than %s"+fill, out.Database, s.o.MaxAge)}
	}
	return nil
}
