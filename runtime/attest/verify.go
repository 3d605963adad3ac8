package attest

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// Requirements are what an image must have, and whose signatures count.
type Requirements struct {
	Judge      *sign.Judge
	Require    []string     // model's Require constants; none asks for nothing
	BuilderIDs []string     // globs of builders that provenance may name; none is any
	Policy     model.Digest // that the decision must be by; empty is any
}

// Proof is a signed statement that answers a requirement.
type Proof struct {
	Subject     model.Digest `json:"subject"`
	Requirement string       `json:"requirement"`
	Type        string       `json:"type"`
	By          string       `json:"by"`
	Time        string       `json:"time,omitempty"` // RFC 3339, UTC, where an authority or a log says it
	Artifact    model.Digest `json:"artifact"`
}

// Missing is a requirement that nothing answers.
type Missing struct {
	Subject     model.Digest `json:"subject"`
	Platform    string       `json:"platform,omitempty"` // empty for the index
	Requirement string       `json:"requirement"`
	Why         string       `json:"why"` // one clause
}

// String says what is missing, for people.
func (m Missing) String() string {
	where := m.Platform
	if where == "" {
		where = m.Subject.Short()
	}
	return where + ": " + m.Why
}

// Verify tells what the signed statements about one digest lack. An index must
// have them for each of its platforms; what is about a platform's own digest is
// not looked at. An error is a registry that does not answer.
func Verify(ctx context.Context, c *registry.Client, repo string, digest model.Digest, q Requirements) ([]Proof, []Missing, error) {
	if len(q.Require) == 0 {
		return nil, nil, nil
	}
	v := &verifying{client: c, repo: repo, digest: digest, q: q}
	if err := v.platforms(ctx); err != nil {
		return nil, nil, err
	}
	if err := v.read(ctx); err != nil {
		return nil, nil, err
	}
	for _, r := range model.Requirables() {
		if slices.Contains(q.Require, r) {
			v.require(r)
		}
	}
	return v.proofs, v.missing, nil
}

// verifying is the verification of one digest.
type verifying struct {
	client    *registry.Client
	repo      string
	digest    model.Digest
	q         Requirements
	targets   []model.Digest // platforms that are spoken of: those of an index, or digest itself
	signed    []signed
	strangers []string // what is there and signed by nobody we trust, by type
	proofs    []Proof
	missing   []Missing
}

// signed is a statement that somebody we trust has signed.
type signed struct {
	statement Statement
	proof     Proof
}

func (v *verifying) platforms(ctx context.Context) error {
	raw, d, err := v.client.Manifest(ctx, v.repo, v.digest.String())
	if err != nil {
		return err
	}
	v.targets = []model.Digest{v.digest}
	if !d.IsIndex() {
		return nil
	}
	platforms, err := platformsOf(raw)
	if err != nil {
		return fmt.Errorf("reading %s@%s: %w", v.repo, v.digest, err)
	}
	if len(platforms) > 0 {
		v.targets = nil
	}
	for _, p := range platforms {
		v.targets = append(v.targets, p.Digest)
	}
	return nil
}

// read verifies every bundle about the digest.
func (v *verifying) read(ctx context.Context) error {
	found, err := v.client.Artifacts(ctx, v.repo, v.digest, sign.BundleType)
	if err != nil {
		return err
	}
	for _, f := range found {
		body, _, _, err := v.client.ReadArtifact(ctx, v.repo, f.Digest, maxBundle)
		if errors.Is(err, registry.ErrAbsent) {
			continue
		}
		if err != nil {
			return err
		}
		s, err := v.q.Judge.Verify(body, v.digest)
		if untrusted, ok := errors.AsType[*sign.Untrusted](err); ok {
			v.strangers = append(v.strangers, f.Annotations[annotationPredicate]+"\x00"+untrusted.Error())
			continue
		}
		if err != nil {
			return err
		}
		statement, err := Decode(s.Payload)
		if err != nil {
			continue
		}
		proof := Proof{Subject: v.digest, Type: statement.Type, By: s.By, Artifact: f.Digest}
		if !s.Time.IsZero() {
			proof.Time = s.Time.Format("2006-01-02T15:04:05Z")
		}
		v.signed = append(v.signed, signed{statement, proof})
	}
	return nil
}

// require looks for the statements that answer one requirement, and says what
// is wrong with those that do not.
func (v *verifying) require(requirement string) {
	var why []string
	covered := map[model.Digest]bool{}
	for _, s := range v.current(requirement) {
		about, err := v.inside(requirement, s.statement.Predicate)
		if err != nil {
			why = append(why, err.Error())
			continue
		}
		s.proof.Requirement = requirement
		v.proofs = append(v.proofs, s.proof)
		for _, d := range about {
			covered[d] = true
		}
	}
	for _, d := range v.targets {
		if covered[d] {
			continue
		}
		clause := v.lack(requirement, why)
		if len(v.targets) > 1 {
			clause += " (of the platform " + d.Short() + ")"
		}
		v.missing = append(v.missing, Missing{Subject: v.digest, Requirement: requirement, Why: clause})
	}
}

// current are the statements that may answer a requirement. Of decisions about
// one digest only the newest is one: what was let pass may be refused since.
func (v *verifying) current(requirement string) []signed {
	var out []signed
	for _, s := range v.signed {
		if slices.Contains(typesOf(requirement), s.statement.Type) {
			out = append(out, s)
		}
	}
	if requirement != model.RequireDecision {
		return out
	}
	verdict := func(s signed) (d model.Verdict) {
		_ = json.Unmarshal(s.statement.Predicate, &d) // what cannot be read is refused when it is looked into
		return d
	}
	slices.SortStableFunc(out, func(a, b signed) int { return cmp.Compare(verdict(b).Time, verdict(a).Time) })
	seen := map[model.Digest]bool{}
	return slices.DeleteFunc(out, func(s signed) bool {
		d := verdict(s).Digest
		older := seen[d]
		seen[d] = true
		return older
	})
}

// lack says why a requirement is not answered, in one clause.
func (v *verifying) lack(requirement string, why []string) string {
	if len(why) > 0 {
		return "its " + words[requirement] + " does not count: " + strings.Join(slices.Compact(why), "; ")
	}
	for _, stranger := range v.strangers {
		kind, what, _ := strings.Cut(stranger, "\x00")
		if slices.Contains(typesOf(requirement), kind) {
			return "its " + words[requirement] + " is " + what
		}
	}
	return "there is no signed " + words[requirement]
}

// words name the requirements for people.
var words = map[string]string{
	model.RequireSignature:  "signature",
	model.RequireProvenance: "provenance",
	model.RequireSBOM:       "SBOM",
	model.RequireScan:       "vulnerability scan",
	model.RequireDecision:   "decision",
}

// inside reads a predicate, and tells which of the targets it speaks for.
func (v *verifying) inside(requirement string, predicate json.RawMessage) ([]model.Digest, error) {
	switch requirement {
	case model.RequireProvenance:
		return v.targets, v.provenance(predicate)
	case model.RequireSBOM:
		return v.targets, packages(predicate)
	case model.RequireScan:
		return v.scanned(predicate)
	case model.RequireDecision:
		return v.decided(predicate)
	}
	return v.targets, nil
}

// provenance must name a builder that is trusted, and what was built from what.
func (v *verifying) provenance(predicate json.RawMessage) error {
	var p Provenance
	if err := json.Unmarshal(predicate, &p); err != nil {
		return errors.New("it cannot be read")
	}
	id := p.Run.Builder.ID
	switch {
	case id == "":
		return errors.New("it names no builder")
	case len(v.q.BuilderIDs) > 0 && !slices.ContainsFunc(v.q.BuilderIDs, func(glob string) bool { return like(glob, id) }):
		return fmt.Errorf("its builder %.200q is not one of trust.builder_ids", id)
	case len(p.Definition.Dependencies) == 0:
		return errors.New("it names nothing that the image was made from")
	}
	for _, d := range p.Definition.Dependencies {
		if len(d.Digest) == 0 {
			return fmt.Errorf("it names %.200q without a digest", cmp.Or(d.Name, d.URI))
		}
	}
	return nil
}

// like matches an address with a glob, where "*" stands for any text.
func like(glob, s string) bool {
	ok, err := regexp.MatchString("^"+strings.ReplaceAll(regexp.QuoteMeta(glob), `\*`, ".*")+"$", s)
	return err == nil && ok
}

// packages must be a list of packages of a form that is known.
func packages(predicate json.RawMessage) error {
	var p struct {
		CycloneDX string          `json:"bomFormat"`
		SPDX      string          `json:"spdxVersion"`
		Syft      json.RawMessage `json:"artifacts"`
	}
	if err := json.Unmarshal(predicate, &p); err != nil || p.CycloneDX == "" && p.SPDX == "" && p.Syft == nil {
		return errors.New("it is no list of packages")
	}
	return nil
}

// scanned must be a scan that has finished. One of ours says of which digest.
func (v *verifying) scanned(predicate json.RawMessage) ([]model.Digest, error) {
	var p Scanned
	if err := json.Unmarshal(predicate, &p); err != nil {
		return nil, errors.New("it cannot be read")
	}
	if p.Metadata.Finished == "" || strings.HasPrefix(p.Metadata.Finished, "0001-") {
		return nil, errors.New("the scan has not finished")
	}
	var scan model.Scan
	if json.Unmarshal(p.Scanner.Result, &scan) != nil || scan.State == "" {
		return v.targets, nil //nolint:nilerr // another program's, which has a form of its own
	}
	if scan.State != model.ScanFinished {
		return nil, fmt.Errorf("the scan is %.40q, not finished", scan.State)
	}
	return v.target(scan.Digest)
}

// decided must be a verdict that lets the image pass.
func (v *verifying) decided(predicate json.RawMessage) ([]model.Digest, error) {
	var d model.Verdict
	if err := json.Unmarshal(predicate, &d); err != nil {
		return nil, errors.New("it cannot be read")
	}
	switch {
	case d.Version != model.VerdictVersion:
		return nil, fmt.Errorf("it is of version %d", d.Version)
	case d.Outcome != model.VerdictPass:
		return nil, fmt.Errorf("its outcome is %.40q", d.Outcome)
	case !d.Policy.Valid():
		return nil, errors.New("it names no policy")
	case v.q.Policy != "" && d.Policy != v.q.Policy:
		return nil, fmt.Errorf("it is by the policy %s, not by %s", d.Policy.Short(), v.q.Policy.Short())
	}
	return v.target(d.Digest)
}

// target is one of the digests that are spoken for.
func (v *verifying) target(d model.Digest) ([]model.Digest, error) {
	if !slices.Contains(v.targets, d) {
		return nil, fmt.Errorf("it is about %s", cmp.Or(d.Short(), "nothing"))
	}
	return []model.Digest{d}, nil
}

// Gate is the verification that a promotion asks for.
type Gate struct {
	Registry *registry.Client
	Requirements
}

// Verify says what is missing of one digest, one clause each.
func (g Gate) Verify(ctx context.Context, repo string, digest model.Digest) ([]string, error) {
	_, missing, err := Verify(ctx, g.Registry, repo, digest, g.Requirements)
	out := make([]string, 0, len(missing))
	for _, m := range missing {
		out = append(out, m.Why)
	}
	return out, err
}
