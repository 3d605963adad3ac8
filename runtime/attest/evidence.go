package attest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// maxStated bounds a list of packages that is attested, in bytes: a signed
// statement is a third longer than what it says.
const maxStated = sbom.MaxDocument / 4 * 3

// limits are how long the documents are that are attested, by their type.
func limits() map[string]int64 {
	out := map[string]int64{scan.ArtifactType: scan.MaxDocument, gate.VerdictType: gate.MaxVerdict}
	for _, kind := range sbom.MediaTypes() {
		out[kind] = maxStated
	}
	return out
}

// predicate is what is going to be said about a digest.
type predicate struct {
	kind string
	body any
}

// evidence is everything that there is to say about a platform's digest beside
// its provenance: its lists of packages, the newest scan of each source, the
// newest verdict.
func (s Step) evidence(ctx context.Context, repo string, digest model.Digest) ([]predicate, error) {
	found, err := s.Registry.Artifacts(ctx, repo, digest, "")
	if err != nil {
		return nil, err
	}
	var out []predicate
	said := map[string]bool{} // what there is a newer one of
	for _, f := range found {
		p, what, err := s.document(ctx, repo, digest, f)
		if errors.Is(err, registry.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("reading what is about %s@%s: %w", repo, digest, err)
		}
		if what == "" || said[what] {
			continue
		}
		said[what] = true
		out = append(out, p)
	}
	slices.SortStableFunc(out, func(a, b predicate) int { return cmp.Compare(a.kind, b.kind) })
	return withoutDoubles(out), nil
}

// document reads one artifact. what names it among those that the newest
// stands for, and is empty for one that is not ours to attest: of another kind,
// about something else, or without a receipt of the step that made it.
func (s Step) document(ctx context.Context, repo string, digest model.Digest, f registry.Found) (p predicate, what string, err error) {
	limit, known := limits()[f.Type]
	if !known {
		return p, "", nil
	}
	body, subject, _, err := s.Registry.ReadArtifact(ctx, repo, f.Digest, limit)
	if err != nil || subject != digest {
		return p, "", err
	}
	switch f.Type {
	case scan.ArtifactType:
		return s.scan(ctx, repo, digest, f, body)
	case gate.VerdictType:
		return s.verdict(ctx, repo, digest, body)
	}
	return s.list(ctx, repo, digest, f, body)
}

func (s Step) scan(ctx context.Context, repo string, digest model.Digest, f registry.Found, body []byte) (p predicate, what string, err error) {
	var scan model.Scan
	if json.Unmarshal(body, &scan) != nil || scan.Digest != digest || scan.State != model.ScanFinished {
		return p, "", nil //nolint:nilerr // anybody who may push can attach anything
	}
	key := model.ScanStepKey(digest, scan.Source, scan.Tool, scan.Database)
	r, found, err := s.Registry.Receipt(ctx, repo, model.ReceiptTag(model.StepScan, key))
	if err != nil || !found || !names(r, digest, f.Digest) {
		return p, "", err
	}
	predicated, err := s.Origin.scanned(scan)
	return predicate{TypeScan, predicated}, TypeScan + " " + scan.Source, err
}

// verdict is the newest, whatever it says; one that lets the image pass counts
// only with the gate's receipt, and only if that names just the policy and the
// scans that the verdict says it judged: a verdict of other scans that somebody
// has attached, or an older one that is attached again, is not what has passed.
func (s Step) verdict(ctx context.Context, repo string, digest model.Digest, body []byte) (p predicate, what string, err error) {
	v, ok := gate.ReadVerdict(body, digest)
	if !ok {
		return p, "", nil
	}
	if v.Outcome == model.VerdictPass {
		if by, err := Gated(ctx, s.Registry, repo, v); err != nil || !by {
			return p, "", err
		}
	}
	return predicate{TypeDecision, v}, TypeDecision, nil // and not what was read: another reader may understand the same bytes otherwise
}

// Gated tells whether the gate's receipt speaks for a verdict that passes: for
// just its policy and its scans.
func Gated(ctx context.Context, c *registry.Client, repo string, v model.Verdict) (bool, error) {
	r, found, err := c.Receipt(ctx, repo, model.ReceiptTag(model.StepGate, model.GateStepKey(v.Digest, v.Policy)))
	return err == nil && found && r.Digest == v.Digest && slices.Equal(r.Inputs, judged(v)), err
}

// judged is what the gate's receipt names of a verdict.
func judged(v model.Verdict) []model.Material {
	inputs := []model.Material{{Name: "policy", Digest: v.Policy}}
	for _, s := range v.Sources {
		inputs = append(inputs, model.Material{Name: "scan " + s.Source, Digest: s.Digest})
	}
	return inputs
}

// names tells whether a receipt is about a digest and names a document.
func names(r model.Receipt, digest, document model.Digest) bool {
	return r.Digest == digest && slices.ContainsFunc(r.Inputs, func(m model.Material) bool { return m.Digest == document })
}
