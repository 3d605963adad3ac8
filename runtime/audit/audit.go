// Package audit tells the life of a published image: who built it from what,
// what was tested, listed, scanned and decided, who has signed, and where it
// went. It reads nothing but the registry.
package audit

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifactregistry"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// The kinds of event.
const (
	KindBuild       = "build"
	KindTest        = "test"
	KindSBOM        = "sbom"
	KindScan        = "scan"
	KindVerdict     = "verdict"
	KindMerge       = "merge"
	KindSignature   = "signature"
	KindAttestation = "attestation"
	KindPromotion   = "promotion"
	KindWithdrawal  = "withdrawal"
	KindAttachment  = "attachment" // that is of no kind of ours
)

// Event is one thing that happened to an image.
type Event struct {
	Time     string       `json:"time"` // RFC 3339, UTC; empty where nobody says it
	Kind     string       `json:"kind"`
	Repo     string       `json:"repo"`               // where it is written down
	Subject  model.Digest `json:"subject"`            // the index, or a platform
	Platform string       `json:"platform,omitempty"` // empty for the index
	Says     string       `json:"says"`               // one clause for people
	By       string       `json:"by,omitempty"`       // who has signed it, as far as that was verified
	Artifact model.Digest `json:"artifact,omitempty"` // manifest of the document
	Document any          `json:"document,omitempty"` // the receipt, verdict or record itself; of a scan all but its findings

	// Unverified is true where nobody whom the settings trust has signed it, or
	// the receipt that speaks for it: whoever may write to the registry may have
	// written it. Promotions and withdrawals always are, as nobody signs them.
	Unverified bool `json:"unverified"`
}

// Life is everything that the registry says of an image, the oldest first.
type Life struct {
	Ref     string       `json:"ref"`
	Digest  model.Digest `json:"digest"`
	Image   string       `json:"image,omitempty"`
	Version string       `json:"version,omitempty"` // its version tag
	Commit  string       `json:"commit,omitempty"`
	Events  []Event      `json:"events"`
	Missing []string     `json:"missing"` // one clause each; a verdict that is unverified is none
}

// Options say whose signatures count. The zero value verifies none.
type Options struct {
	Judge   *sign.Judge // nil: signatures are told of, and not believed
	Require []string    // model's Require constants that are missing where nobody who is trusted has signed them

	// Attachments lists what a registry knows to be about a digest, beside what its
	// protocol lists; nil asks nobody.
	Attachments func(ctx context.Context, repo string, digest model.Digest) ([]artifactregistry.Attachment, error)
}

// Read tells the life of a digest, which lies in the first of the repositories,
// and may lie in the others, too: where it was promoted to.
func Read(ctx context.Context, c *registry.Client, repos []string, digest model.Digest, o Options) (*Life, error) {
	image, err := attest.Read(ctx, c, repos[0], digest)
	if err != nil {
		return nil, err
	}
	r := &reading{client: c, options: o, image: image, seen: map[string]bool{}, void: map[model.Digest]bool{}}
	out := &Life{Ref: repos[0] + "@" + digest.String(), Digest: digest, Image: image.Merge.Image, Version: image.Version, Commit: image.Revision, Missing: []string{}}
	for n, repo := range repos {
		for i, d := range image.Digests() {
			platform := ""
			if i > 0 {
				platform = image.Platforms[i-1].Platform.String()
			}
			err := r.digest(ctx, place{repo, d, platform})
			if n > 0 && errors.Is(err, registry.ErrAbsent) {
				continue
			}
			if err != nil {
				return nil, err
			}
		}
	}
	r.receiptsOf(image)
	out.Events = r.sorted()
	missing, err := r.missing(ctx)
	out.Missing = append(out.Missing, missing...)
	return out, err
}

// place is a digest somewhere.
type place struct {
	repo     string
	subject  model.Digest
	platform string
}

// reading collects events.
type reading struct {
	client  *registry.Client
	options Options
	image   *attest.Image
	events  []Event
	seen    map[string]bool       // artifacts and receipts that were told of
	void    map[model.Digest]bool // documents that stand for nothing that an image should have
}

// add tells of an event once, though it is written down in several places.
func (r *reading) add(key string, e Event) {
	if !r.seen[key] {
		r.seen[key] = true
		r.events = append(r.events, e)
	}
}

// digest reads what is about one digest in one repository.
func (r *reading) digest(ctx context.Context, at place) error {
	receipts, err := r.client.Receipts(ctx, at.repo, at.subject)
	if err != nil {
		return err
	}
	for _, one := range receipts {
		r.receipt(at, one)
	}
	found, err := r.client.Artifacts(ctx, at.repo, at.subject, "")
	if err != nil {
		return err
	}
	listed := map[model.Digest]bool{}
	for _, f := range found {
		listed[f.Digest] = true
		if r.seen[f.Digest.String()] {
			continue
		}
		if err := r.artifact(ctx, at, f); err != nil && !errors.Is(err, registry.ErrAbsent) {
			return fmt.Errorf("reading what is about %s@%s: %w", at.repo, at.subject, err)
		}
	}
	if err := r.attached(ctx, at, listed); err != nil {
		return err
	}
	return r.withdrawn(ctx, at)
}

// receiptsOf tells of the receipts that the index leads to, for a registry that
// does not list what is about a digest.
func (r *reading) receiptsOf(i *attest.Image) {
	if i.Merge.Digest.Valid() {
		r.receipt(place{i.Repo, i.Digest, ""}, i.Merge)
	}
	for _, p := range i.Platforms {
		for _, one := range []model.Receipt{p.Build, p.Test} {
			if one.Digest.Valid() {
				r.receipt(place{i.Repo, p.Digest, p.Platform.String()}, one)
			}
		}
	}
}

// sorted is the events in order of time; what has none comes first. At one
// moment they come in the order of the steps.
func (r *reading) sorted() []Event {
	order := []string{KindBuild, KindTest, KindSBOM, KindScan, KindVerdict, KindMerge, KindSignature, KindAttestation, KindAttachment, KindPromotion, KindWithdrawal}
	slices.SortStableFunc(r.events, func(a, b Event) int {
		at, _ := time.Parse(time.RFC3339, a.Time) // no time is the zero value
		bt, _ := time.Parse(time.RFC3339, b.Time)
		return cmp.Or(at.Compare(bt), slices.Index(order, a.Kind)-slices.Index(order, b.Kind), cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Says, b.Says))
	})
	return append([]Event{}, r.events...)
}

// missing is what an image should have and lacks.
func (r *reading) missing(ctx context.Context) (out []string, err error) {
	has := func(kind string, subject model.Digest) bool {
		return slices.ContainsFunc(r.events, func(e Event) bool { return e.Kind == kind && e.Subject == subject && !r.void[e.Artifact] })
	}
	lack := func(kind, platform, clause string, subject model.Digest) {
		if !has(kind, subject) {
			out = append(out, platform+": "+clause)
		}
	}
	targets := r.image.Platforms
	if len(targets) == 0 {
		targets = []attest.Platform{{Digest: r.image.Digest}}
	} else {
		lack(KindMerge, "the index", "there is no receipt of its merge", r.image.Digest)
	}
	for _, p := range targets {
		name := cmp.Or(p.Platform.String(), "the manifest")
		lack(KindBuild, name, "there is no receipt of its build", p.Digest)
		lack(KindTest, name, "there is no receipt of a passed test", p.Digest)
		lack(KindSBOM, name, "there is no list of its packages", p.Digest)
		lack(KindScan, name, "there is no finished scan", p.Digest)
		lack(KindVerdict, name, "nobody who is trusted has judged it", p.Digest)
	}
	if r.options.Judge == nil || len(r.options.Require) == 0 {
		return out, nil
	}
	for n, d := range r.image.Digests() {
		_, missing, err := attest.Verify(ctx, r.client, r.image.Repo, d, attest.Requirements{Judge: r.options.Judge, Require: r.options.Require})
		if err != nil {
			return nil, err
		}
		for _, m := range missing {
			name := "the index"
			if n > 0 {
				name = r.image.Platforms[n-1].Platform.String()
			}
			out = append(out, name+": "+m.Why)
		}
	}
	return out, nil
}
