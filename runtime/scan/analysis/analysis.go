// Package analysis asks Google's Artifact Analysis what it has found in the
// images of Artifact Registry. It waits until the analysis of a platform's
// digest has ended, and reads all of its findings or none: whatever is not
// known to have ended well is a state other than finished.
package analysis

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"math/rand/v2"
	"strings"
	"time"

	containeranalysis "cloud.google.com/go/containeranalysis/apiv1"
	"google.golang.org/api/option"
	"google.golang.org/grpc"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// Tool is who scans, as it stands in findings.
const Tool = "Artifact Analysis"

// What Options are when they say nothing. Google publishes no number for how
// long an analysis takes.
const (
	DefaultTimeout = 15 * time.Minute
	DefaultPoll    = 10 * time.Second
	DefaultMaxAge  = 72 * time.Hour
)

// skew is how far a clock of Google's may be ahead of this machine's.
const skew = 5 * time.Minute

// Manifests tells what a digest is; *registry.Client does.
type Manifests interface {
	Resolve(ctx context.Context, repo, ref string) (registry.Descriptor, bool, error)
}

// Settings tells whether what is pushed to a repository is scanned at all;
// *artifactregistry.Client does. why is for people.
type Settings interface {
	Scanned(ctx context.Context, repo string) (on bool, why string, err error)
}

// Options says how long to wait and whom to ask. The zero value is what a
// command wants.
type Options struct {
	API       googleapi.Options // how Artifact Analysis is reached
	Manifests Manifests         // nil: that a digest is no index is taken on trust
	Settings  Settings          // nil: nobody asks before waiting
	// Pull reads a manifest as those do who run the image, which is what has
	// Google analyse it again; nil: it cannot be asked to.
	Pull    func(ctx context.Context, repo string, digest model.Digest) error
	Timeout time.Duration    // how long one digest may take, 0 is DefaultTimeout
	Appear  time.Duration    // how long until an analysis must have begun, 0 is a fifth of Timeout
	Poll    time.Duration    // between two questions, 0 is DefaultPoll; a quarter of it is jitter
	MaxAge  time.Duration    // of an analysis that still counts, 0 is DefaultMaxAge
	Retry   googleapi.Retry  // of one question
	Log     *slog.Logger     // nil: nothing is logged
	Now     func() time.Time // nil is the clock
	// Sleep waits for d or until ctx is done, and then returns ctx's error; nil
	// is the clock.
	Sleep func(ctx context.Context, d time.Duration) error
}

// Source asks Artifact Analysis. It is safe for concurrent use.
type Source struct {
	o      Options
	conn   *grpc.ClientConn
	client *containeranalysis.Client
}

var (
	_ scan.Source    = (*Source)(nil)
	_ scan.Rescanner = (*Source)(nil)
)

// New makes a source. It connects to nothing until it is asked.
func New(o Options) (*Source, error) {
	o.Timeout, o.Poll, o.MaxAge = cmp.Or(o.Timeout, DefaultTimeout), cmp.Or(o.Poll, DefaultPoll), cmp.Or(o.MaxAge, DefaultMaxAge)
	o.Appear = cmp.Or(o.Appear, o.Timeout/5)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	if o.Now == nil {
		o.Now = time.Now
	}
	if o.Sleep == nil {
		o.Sleep = googleapi.Sleep
	}
	o.Retry.Sleep, o.Retry.Log = o.Sleep, o.Log
	o.API.Public = googleapi.AnalysisEndpoint
	conn, err := googleapi.Dial(o.API)
	if err != nil {
		return nil, err
	}
	client, err := containeranalysis.NewClient(context.Background(), option.WithGRPCConn(conn))
	if err != nil {
		return nil, errors.Join(fmt.Errorf("preparing the client of Artifact Analysis: %w", err), conn.Close())
	}
	return &Source{o: o, conn: conn, client: client}, nil
}

// Close ends the connection.
func (s *Source) Close() error { return s.conn.Close() }

// Name is the source's, as policies name it.
func (s *Source) Name() string { return model.SourceArtifactAnalysis }

// place is where Artifact Analysis keeps what it knows of a digest.
type place struct {
	project  string // "projects/team"
	resource string // "https://europe-docker.pkg.dev/team/images/python@sha256:..."
}

// placeOf reads a repository's address; false where it is none of Google's.
func placeOf(repo string, digest model.Digest) (place, bool) {
	host, path, _ := strings.Cut(repo, "/")
	project, rest, _ := strings.Cut(path, "/")
	if strings.Contains(project, ".") { // a project of a domain, "example.com/team"
		var own string
		own, rest, _ = strings.Cut(rest, "/")
		project += ":" + own
	}
	if !login.IsGoogle(host) || project == "" || rest == "" || strings.ContainsAny(repo, `"\ `) {
		return place{}, false
	}
	return place{project: "projects/" + project, resource: "https://" + repo + "@" + digest.String()}, true
}

// Scan waits for the analysis of one platform's digest in a repository, and
// reads its findings. The error is that of ctx alone; everything else is a
// state.
func (s *Source) Scan(ctx context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error) {
	return s.answer(ctx, repo, target, digest, s.wait)
}

// Rescan pulls an image whose analysis is too old, which Google answers with a
// new one within a day, and waits for it as long as for one that has to begin.
func (s *Source) Rescan(ctx context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error) {
	return s.answer(ctx, repo, target, digest, func(ctx context.Context, at place) (status, error) {
		if s.o.Pull == nil {
			return s.wait(ctx, at)
		}
		if err := s.o.Pull(ctx, repo, digest); err != nil {
			return status{}, fmt.Errorf("pulling it, for Google to analyse it again: %w", err)
		}
		return s.renewed(ctx, at)
	})
}

// waiting is how a status is had that will not change by itself soon.
type waiting func(context.Context, place) (status, error)

func (s *Source) answer(ctx context.Context, repo string, target model.TargetID, digest model.Digest, wait waiting) (model.Scan, error) {
	out := model.Scan{
		Image: target.Image, Tag: target.Tag, Variant: target.Variant, Platform: target.Platform.String(), Digest: digest,
		Source: s.Name(), Tool: Tool, Reports: []string{model.FindingMalicious, model.FindingSecret}, Findings: []model.Finding{},
	}
	w, err := s.scan(ctx, repo, digest, wait, &out)
	if ctx.Err() != nil {
		return model.Scan{}, fmt.Errorf("waiting for the analysis of %s: %w", target, context.Cause(ctx))
	}
	if err != nil {
		w = failed(err)
	}
	if w.state == model.ScanMissing && w.waited && target.Platform != model.LinuxAMD64 {
		// Google documents that it analyses linux/amd64, and nothing of others:
		// that is what policies call unsupported, and leave to another scanner.
		w.state, w.detail = model.ScanUnsupported, w.detail+"; Google says of linux/amd64 only that it is analysed"
	}
	out.State, out.Detail = w.state, w.detail
	if out.State != model.ScanFinished {
		out.Findings = []model.Finding{} // half of them would look like all
	}
	at := w.scanned
	if at.IsZero() {
		at = s.o.Now()
	}
	out.Time = at.UTC().Format(time.RFC3339)
	if !w.scanned.IsZero() {
		out.Database = out.Time
	}
	return out, nil
}

// status is how far an analysis is.
type status struct {
	state   string
	detail  string
	scanned time.Time // when it ended, where that is known
	waited  bool      // for as long as may be waited
}

func failed(err error) status {
	return status{state: model.ScanFailed, detail: googleapi.Line(err.Error())}
}

func (s *Source) scan(ctx context.Context, repo string, digest model.Digest, wait waiting, out *model.Scan) (status, error) {
	at, ok := placeOf(repo, digest)
	if !ok || !digest.Valid() {
		return status{state: model.ScanMissing, detail: repo + " does not lie in Artifact Registry"}, nil
	}
	if w, err := s.worthWaiting(ctx, repo, digest); err != nil || w.state != "" {
		return w, err
	}
	for range consistentReads {
		w, err := wait(ctx, at)
		if err != nil || w.state != model.ScanFinished {
			return w, err
		}
		if out.Findings, err = s.findings(ctx, at); err != nil {
			return status{}, err
		}
		// Pages are read one after the other, and an analysis goes on: what
		// changed meanwhile may be on a page that was read before it did.
		again, err := s.look(ctx, at)
		if err != nil {
			return status{}, err
		}
		if again.state == w.state && again.scanned.Equal(w.scanned) {
			return w, nil
		}
		s.o.Log.Info(fmt.Sprintf("the findings of %s changed while they were read; reading them again", at.resource))
	}
	return status{}, fmt.Errorf("the findings of %s changed each of the %d times that they were read", at.resource, consistentReads)
}

// consistentReads bounds how often findings are read that change meanwhile.
const consistentReads = 3

// worthWaiting finds what would never be analysed: an index, of which Google
// reads one platform only, and what lies where scanning is switched off.
func (s *Source) worthWaiting(ctx context.Context, repo string, digest model.Digest) (status, error) {
	if s.o.Manifests != nil {
		d, found, err := s.o.Manifests.Resolve(ctx, repo, digest.String())
		switch {
		case err != nil:
			return status{}, err
		case !found:
			return status{state: model.ScanMissing, detail: "it is not in " + repo}, nil
		case d.IsIndex():
			return status{state: model.ScanFailed, detail: "it is an index, of which only one platform would be read: each platform is asked about by its own digest"}, nil
		}
	}
	if s.o.Settings != nil {
		on, why, err := s.o.Settings.Scanned(ctx, repo)
		if err != nil {
			if ctx.Err() != nil {
				return status{}, err
			}
			s.o.Log.Warn(fmt.Sprintf("whether %s is scanned is not known, waiting for it all the same: %v", repo, err))
		} else if !on {
			return status{state: model.ScanMissing, detail: "scanning is off for the repository: " + googleapi.Line(why)}, nil
		}
	}
	return status{}, nil
}

// wait asks until the analysis has ended, one way or another, or for as long
// as it may.
func (s *Source) wait(ctx context.Context, at place) (status, error) {
	began := s.o.Now()
	for {
		w, err := s.look(ctx, at)
		if err != nil || w.state != model.ScanRunning && w.state != model.ScanMissing {
			return w, err
		}
		waited, most := s.o.Now().Sub(began), s.o.Timeout
		if w.state == model.ScanMissing {
			most = s.o.Appear
		}
		pause := s.o.Poll + rand.N(s.o.Poll/4+1)
		if waited+pause > most {
			w.waited, w.detail = true, w.detail+fmt.Sprintf(", after %s", waited.Round(time.Second))
			return w, nil
		}
		s.o.Log.Debug(fmt.Sprintf("%s: %s, asking again in %.0f s", at.resource, w.detail, pause.Seconds()))
		if err := s.o.Sleep(ctx, pause); err != nil {
			return status{}, err
		}
	}
}

// renewed waits until an analysis that is too old is followed by another one.
func (s *Source) renewed(ctx context.Context, at place) (status, error) {
	for began := s.o.Now(); ; {
		w, err := s.wait(ctx, at)
		if err != nil || w.state != model.ScanStale {
			return w, err
		}
		waited, pause := s.o.Now().Sub(began), s.o.Poll+rand.N(s.o.Poll/4+1)
		if waited+pause > s.o.Appear {
			w.detail = fmt.Sprintf("it was pulled, and Google has not analysed it again after %s, which may take a day: %s", waited.Round(time.Second), w.detail)
			return w, nil
		}
		if err := s.o.Sleep(ctx, pause); err != nil {
			return status{}, err
		}
	}
}
