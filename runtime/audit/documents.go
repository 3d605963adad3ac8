package audit

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// The most that is read of a record, and of a signed statement, in bytes.
const (
	maxRecord    = 32 << 20
	maxStatement = 128 << 20
)

// sboms are the lists of packages, by the type of their artifact.
var sboms = map[string]string{
	sbom.MediaType(sbom.CycloneDX): "CycloneDX",
	sbom.MediaType(sbom.SPDX):      "SPDX",
	sbom.MediaType(sbom.Syft):      "syft's own",
}

// receipt tells of a step. Where receipts are judged the client has left out
// those that do not count.
func (r *reading) receipt(at place, one model.Receipt) {
	e := at.event(one.Step, one.UpdatedAt)
	e.Document, e.Unverified = one, !r.client.JudgesReceipts(at.repo)
	switch one.Step {
	case model.StepBuild:
		e.Says = "built, generation " + fmt.Sprint(one.Generation) + from(one.Inputs)
	case model.StepTest:
		e.Says = "its tests have passed" + by("", one.Run)
	case model.StepMerge:
		e.Says = "merged as " + one.VersionTag
	default: // what it made is told of by itself
		return
	}
	r.add(one.Step+" "+at.subject.String()+" "+one.StepKey.String(), e)
}

// from names what was built on.
func from(inputs []model.Material) string {
	if len(inputs) == 0 {
		return ""
	}
	names := make([]string, len(inputs))
	for n, m := range inputs {
		names[n] = m.Name + "@" + m.Digest.Short()
	}
	return ", from " + strings.Join(names, ", ")
}

func (at place) event(kind, when string) Event {
	return Event{Time: when, Kind: kind, Repo: at.repo, Subject: at.subject, Platform: at.platform}
}

// artifact tells of a document that is attached to a digest. What is of a kind
// that is not known, or speaks of something else, is passed over.
func (r *reading) artifact(ctx context.Context, at place, f registry.Found) error {
	e := at.event("", "")
	e.Artifact, e.Unverified = f.Digest, true
	if !f.Created.IsZero() {
		e.Time = f.Created.Format(time.RFC3339)
	}
	format, isSBOM := sboms[f.Type]
	if isSBOM {
		e.Kind, e.Says = KindSBOM, "a list of its packages, "+format
		if err := r.list(ctx, &e, f); err != nil {
			return err
		}
		r.add(f.Digest.String(), e)
		return nil
	}
	read := map[string]func(context.Context, *Event, []byte) error{
		scan.ArtifactType:            r.scan,
		gate.VerdictType:             r.verdict,
		model.PromotionArtifactType:  r.promotion,
		model.WithdrawalArtifactType: withdrawal,
		sign.BundleType:              r.bundle,
	}[f.Type]
	if read == nil {
		return nil
	}
	limit := map[string]int64{scan.ArtifactType: scan.MaxDocument, gate.VerdictType: gate.MaxVerdict, sign.BundleType: maxStatement}[f.Type]
	if limit == 0 {
		limit = maxRecord
	}
	body, subject, _, err := r.client.ReadArtifact(ctx, at.repo, f.Digest, limit)
	if err != nil || subject != at.subject {
		return err
	}
	if err := read(ctx, &e, body); err != nil {
		return err
	}
	if e.Kind != "" {
		r.add(f.Digest.String(), e)
	}
	return nil
}

// list looks for who speaks for a list of packages, where that matters: what is
// in it is no news.
func (r *reading) list(ctx context.Context, e *Event, f registry.Found) error {
	if !r.client.JudgesReceipts(e.Repo) {
		return nil
	}
	body, subject, _, err := r.client.ReadArtifact(ctx, e.Repo, f.Digest, sbom.MaxDocument)
	if err != nil {
		return err
	}
	_, ours, err := sbom.Vouched(ctx, r.client, e.Repo, e.Subject, f, body)
	e.Unverified = !ours || subject != e.Subject
	r.void[e.Artifact] = e.Unverified
	if e.Unverified {
		e.Says += unspoken
	}
	return err
}

// scan tells what a scanner found, and whether the step that scans has written
// it: anybody who may push can attach one.
func (r *reading) scan(ctx context.Context, e *Event, body []byte) error {
	var s model.Scan
	if json.Unmarshal(body, &s) != nil || s.Digest != e.Subject {
		return nil //nolint:nilerr // anybody who may push can attach anything
	}
	receipt, found, err := r.client.Receipt(ctx, e.Repo, model.ReceiptTag(model.StepScan, model.ScanStepKey(s.Digest, s.Source, s.Tool, s.Database)))
	if err != nil {
		return err
	}
	counts := map[string]int{}
	for _, f := range s.Findings {
		counts[f.Severity]++
	}
	e.Kind, e.Time = KindScan, cmp.Or(s.Time, e.Time)
	e.Says = fmt.Sprintf("scanned by %s (%s, database of %s): %s", s.Source, cmp.Or(s.Tool, "its own tool"), cmp.Or(s.Database, "no known time"), counted(counts))
	if s.State != model.ScanFinished {
		e.Says = "a scan by " + s.Source + " that is " + s.State
	}
	spoken := found && speaksOf(receipt, e.Artifact)
	if !spoken {
		e.Says += unspoken
	}
	e.Unverified = !spoken || !r.client.JudgesReceipts(e.Repo)
	r.void[e.Artifact] = !spoken || s.State != model.ScanFinished
	s.Findings = nil
	e.Document = s
	return nil
}

// unspoken is said of what anybody who may push can have attached.
const unspoken = "; no receipt speaks for it, or a newer one does"

// speaksOf tells whether a receipt names a document.
func speaksOf(r model.Receipt, document model.Digest) bool {
	return slices.ContainsFunc(r.Inputs, func(m model.Material) bool { return m.Digest == document })
}

// counted lists how many findings there are of each severity.
func counted(counts map[string]int) string {
	var out []string
	for _, severity := range model.Severities() {
		if n := counts[severity]; n > 0 {
			out = append(out, fmt.Sprintf("%d %s", n, severity))
		}
	}
	if len(out) == 0 {
		return "nothing found"
	}
	return strings.Join(out, ", ")
}

// verdict tells what was decided, by which policy, and which exceptions were
// used; and of one that passes whether the gate has decided it. It stands for a
// judgement only where the gate's receipt does, and somebody who is trusted has
// signed that: anybody who may push can attach a verdict, a receipt without a
// signature, and the record of a promotion that names the verdict.
func (r *reading) verdict(ctx context.Context, e *Event, body []byte) error {
	var v model.Verdict
	if json.Unmarshal(body, &v) != nil || v.Digest != e.Subject {
		return nil //nolint:nilerr // anybody who may push can attach anything
	}
	e.Kind, e.Time, e.Document = KindVerdict, cmp.Or(v.Time, e.Time), v
	e.Says = fmt.Sprintf("%s by the policy %s, of %s", v.Outcome, v.Policy.Short(), databases(v.Sources))
	if n := len(v.Blocking); n > 0 {
		e.Says += fmt.Sprintf("; %d findings block", n)
	}
	var used []string
	for _, j := range v.Excepted {
		used = append(used, j.Finding.ID+" ("+cmp.Or(j.Exception, j.Rule)+")")
	}
	if len(used) > 0 {
		e.Says += "; excepted: " + strings.Join(used, ", ")
	}
	r.void[e.Artifact] = true
	if v.Outcome != model.VerdictPass { // no receipt stands for a refusal
		return nil
	}
	gated, err := attest.Gated(ctx, r.client, e.Repo, v)
	if !gated {
		e.Says += unspoken
	}
	e.Unverified = !gated || !r.client.JudgesReceipts(e.Repo)
	r.void[e.Artifact] = e.Unverified
	return err
}

// databases names the scans that a verdict stands on.
func databases(sources []model.VerdictScan) string {
	var out []string
	for _, s := range sources {
		out = append(out, s.Source+" with a database of "+cmp.Or(s.Database, "no known time"))
	}
	if len(out) == 0 {
		return "no scan"
	}
	return strings.Join(out, " and ")
}

func (r *reading) promotion(_ context.Context, e *Event, body []byte) error {
	var p model.Promotion
	if json.Unmarshal(body, &p) != nil || p.Digest != e.Subject {
		return nil //nolint:nilerr // anybody who may push can attach anything
	}
	e.Kind, e.Time, e.Document = KindPromotion, cmp.Or(p.Time, e.Time), p
	e.Says = "came to " + p.To + ", from " + p.From + by(p.Actor, p.Run) + because(p.Reason)
	for _, t := range p.Tests {
		e.Says += "; " + t.Platform + " was tested" + by("", t.Run) + " (" + t.Receipt + ", " + t.Artifact.Short() + ")"
	}
	return nil
}

func withdrawal(_ context.Context, e *Event, body []byte) error {
	var w model.Withdrawal
	if json.Unmarshal(body, &w) != nil || w.Digest != e.Subject {
		return nil //nolint:nilerr // anybody who may push can attach anything
	}
	e.Kind, e.Time, e.Document = KindWithdrawal, cmp.Or(w.Time, e.Time), w
	e.Says = "withdrawn" + by(w.Actor, w.Run) + because(w.Reason)
	if w.Because != w.Digest {
		e.Says += ", because it is built on " + w.Because.Short()
	}
	return nil
}

func by(actor, run string) string {
	switch {
	case actor == "" && run == "":
		return ""
	case actor == "" || run == "":
		return ", by " + actor + run
	}
	return ", by " + actor + " in " + run
}

func because(reason string) string {
	if reason == "" {
		return ""
	}
	return ": " + reason
}

// attached tells of what the registry's own interface says to be about a digest
// and its protocol does not list, a list of packages by Google for example. It
// stands for nothing that an image should have.
func (r *reading) attached(ctx context.Context, at place, listed map[model.Digest]bool) error {
	if r.options.Attachments == nil {
		return nil
	}
	attachments, err := r.options.Attachments(ctx, at.repo, at.subject)
	if err != nil {
		return err
	}
	for _, a := range attachments {
		if listed[a.Version] {
			continue
		}
		e := at.event(KindAttachment, "")
		e.Unverified = true
		e.Says, e.Artifact = "attached"+by(a.Namespace, "")+": "+cmp.Or(a.Type, "of no known type")+" ("+a.Name+")", a.Version
		r.add(at.repo+" "+a.Name, e)
	}
	return nil
}

// withdrawn looks at the tag, which is the one place whose absence means that
// nobody has withdrawn a digest.
func (r *reading) withdrawn(ctx context.Context, at place) error {
	d, found, err := r.client.Resolve(ctx, at.repo, model.WithdrawalTag(at.subject))
	if err != nil || !found || r.seen[d.Digest.String()] {
		return err
	}
	return r.artifact(ctx, at, registry.Found{Digest: d.Digest, Type: model.WithdrawalArtifactType})
}

// bundle tells who has signed what.
func (r *reading) bundle(_ context.Context, e *Event, body []byte) error {
	judge := r.options.Judge
	if judge == nil {
		judge = &sign.Judge{}
	}
	claim, err := sign.Claimed(body)
	if err != nil {
		return nil //nolint:nilerr // anybody can attach anything
	}
	statement, err := attest.Decode(claim.Payload)
	if err != nil {
		return nil //nolint:nilerr // see above
	}
	e.Kind, e.Says = KindAttestation, "attested: "+statement.Type
	if statement.Type == attest.TypeSignature {
		e.Kind, e.Says = KindSignature, "signed"
	}
	signed, err := judge.Verify(body, e.Subject)
	switch {
	case err == nil:
		e.By, e.Unverified = signed.By, false
		e.Says += " by " + signed.By
		if !signed.Time.IsZero() {
			e.Time = signed.Time.Format(time.RFC3339)
		}
	case r.options.Judge == nil:
		e.Says += "; it claims by " + claim.By + ", which nobody has verified"
	default:
		e.Says += "; by nobody we trust (it claims by " + claim.By + ")"
	}
	return nil
}
