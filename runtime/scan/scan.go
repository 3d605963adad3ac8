// Package scan asks scanners what is wrong with the images of single platforms,
// keeps what they said beside the images, and tells two such answers apart. It
// judges nothing: package gate does.
package scan

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"runtime"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// Source is a scanner. It must be safe for concurrent use.
type Source interface {
	// Name is one of model's Source constants.
	Name() string
	// Scan says what is wrong with the image of one platform. That nobody
	// knows, for whatever reason, is a state of the scan; the error is that of
	// ctx alone.
	Scan(ctx context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error)
}

// Rescanner is a source that can be made to look at an image anew of which it
// knows too little of today. It answers as Scan does.
type Rescanner interface {
	Rescan(ctx context.Context, repo string, target model.TargetID, digest model.Digest) (model.Scan, error)
}

// Request is one image to be scanned.
type Request struct {
	Repo   string // "host/path"
	Target model.TargetID
	Digest model.Digest // of the manifest of its platform
}

// perCPU is how many scans are under way for each core: most of them wait for
// an answer. A source that computes bounds itself.
const perCPU = 8

// All asks, for each request, the sources that the policy names, in its order,
// and returns what each said, in the order of the requests. A source that the
// policy names and that is not among those given has scanned nothing: its scan
// is missing. One whose answer is too old is asked to look again where the
// policy says so. The error is that of ctx alone.
func All(ctx context.Context, sources []Source, policy model.Policy, requests []Request) ([]model.Scan, error) {
	said := make([][]model.Scan, len(requests))
	g, gctx := errgroup.WithContext(ctx)
	g.SetLimit(perCPU * runtime.NumCPU())
	for n, r := range requests {
		g.Go(func() (err error) {
			said[n], err = one(gctx, sources, policy, r)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return slices.Concat(said...), nil
}

func one(ctx context.Context, sources []Source, policy model.Policy, r Request) ([]model.Scan, error) {
	var scans []model.Scan
	for _, p := range policy.Sources {
		if !asked(p, policy.State, r, scans) {
			continue
		}
		n := slices.IndexFunc(sources, func(s Source) bool { return s.Name() == p.Name })
		if n < 0 {
			scans = append(scans, r.State(p.Name, model.ScanMissing, "this run has no such scanner"))
			continue
		}
		s, err := sources[n].Scan(ctx, r.Repo, r.Target, r.Digest)
		if again, can := sources[n].(Rescanner); can && err == nil && s.State == model.ScanStale && policy.State.Inactive == model.PolicyRescan {
			s, err = again.Rescan(ctx, r.Repo, r.Target, r.Digest)
		}
		if err != nil {
			return nil, fmt.Errorf("scanning %s: %w", r.Target, err)
		}
		scans = append(scans, s)
	}
	return scans, nil
}

// asked tells whether a source has to say something, after what those before
// it said: also where the policy lets another answer for one that did not end.
func asked(p model.PolicySource, states model.PolicyState, r Request, before []model.Scan) bool {
	switch p.Required {
	case model.RequiredGAR:
		host, _, _ := strings.Cut(r.Repo, "/")
		return login.IsGoogle(host)
	case model.RequiredUnsupported:
		return !slices.ContainsFunc(before, func(s model.Scan) bool {
			return s.State == model.ScanFinished || states.Action(s.State) != model.PolicyFallback
		})
	}
	return true
}

// State is a scan without findings.
func (r Request) State(source, state, detail string) model.Scan {
	return model.Scan{
		Image: r.Target.Image, Tag: r.Target.Tag, Variant: r.Target.Variant, Platform: r.Target.Platform.String(), Digest: r.Digest,
		Source: source, State: state, Detail: detail, Findings: []model.Finding{},
	}
}

// Sort brings findings into the order in which a scan has them, and leaves each
// once: what is said twice of the same thing is merged to the worse of it, in
// whatever order it comes.
func Sort(list []model.Finding) []model.Finding {
	slices.SortStableFunc(list, func(a, b model.Finding) int { return cmp.Or(sameThing(a, b), worse(a, b)) })
	out := list[:0]
	for _, f := range list {
		if n := len(out) - 1; n >= 0 && sameThing(out[n], f) == 0 {
			out[n] = merged(out[n], f)
		} else {
			out = append(out, f)
		}
	}
	return out
}

// sameThing is 0 for two findings of the same thing in the same place.
func sameThing(a, b model.Finding) int {
	return slices.Compare([]string{a.ID, a.PURL, a.Kind, a.Package, a.Version, a.Path}, []string{b.ID, b.PURL, b.Kind, b.Package, b.Version, b.Path})
}

// worse puts the worse of two before the other: the more severe; what is exploited; what can be mended, and so blocks
// under every policy under which the other one does; what nobody calls harmless.
func worse(a, b model.Finding) int {
	yes := func(v bool) int {
		if v {
			return 0
		}
		return 1
	}
	return cmp.Or(
		model.CompareSeverities(a.Severity, b.Severity), yes(a.KEV)-yes(b.KEV), yes(a.Fixed != "")-yes(b.Fixed != ""),
		harmless(a)-harmless(b), bytes.Compare(text(a), text(b)),
	)
}

func harmless(f model.Finding) int {
	if f.VEX == model.VEXNotAffected || f.VEX == model.VEXFixed {
		return 1
	}
	return 0
}

// text settles the order of what differs in nothing that is judged.
func text(f model.Finding) []byte {
	b, err := json.Marshal(f)
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return b
}

// merged is the worse of two findings of the same thing, with what is worse in
// the other one.
func merged(f, other model.Finding) model.Finding {
	f.KEV, f.Fixed = f.KEV || other.KEV, cmp.Or(f.Fixed, other.Fixed)
	f.EPSS, f.CVSS = max(f.EPSS, other.EPSS), max(f.CVSS, other.CVSS)
	f.Provider = Provider(f, other)
	if harmless(f) > harmless(other) {
		f.VEX, f.VEXReason, f.VEXAuthor, f.VEXFormat = other.VEX, other.VEXReason, other.VEXAuthor, other.VEXFormat
	}
	f.Aliases = append(slices.Clone(f.Aliases), other.Aliases...)
	slices.Sort(f.Aliases)
	f.Aliases = slices.Compact(f.Aliases)
	return f
}

// Provider is what the first of two findings of the same thing has beside its
// severity, with what the other one says: the worst of it.
func Provider(f, other model.Finding) string {
	worst := f.Provider
	if model.CompareKnown(other.Provider, worst) < 0 {
		worst = other.Provider
	}
	if f.Severity == model.SeverityUnknown && model.CompareKnown(other.Severity, worst) < 0 {
		worst = other.Severity
	}
	return worst
}

// Step scans what it is asked to, says what statements of VEX say of it, and
// keeps what has finished.
type Step struct {
	Sources []Source
	Policy  model.Policy
	VEX     VEX
	Store   *Store // nil keeps nothing
}

// Run returns what every source said of every request, in their order.
func (s Step) Run(ctx context.Context, requests []Request) ([]model.Scan, error) {
	scans, err := All(ctx, s.Sources, s.Policy, requests)
	if err != nil {
		return nil, err
	}
	s.VEX.Apply(requests, scans)
	if s.Store == nil {
		return scans, nil
	}
	repos := map[model.Digest]string{}
	for _, r := range requests {
		repos[r.Digest] = r.Repo
	}
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(perCPU * runtime.NumCPU())
	for n := range scans {
		if scans[n].State == model.ScanFinished {
			g.Go(func() error { return s.Store.Save(ctx, repos[scans[n].Digest], scans[n]) })
		}
	}
	return scans, g.Wait()
}

// Age is how old what a scan knew is, at a time; false where the scan does not
// say.
func Age(s model.Scan, at time.Time) (time.Duration, bool) {
	built, err := time.Parse(time.RFC3339, s.Database)
	return at.Sub(built), err == nil
}
