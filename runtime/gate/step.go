package gate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/login"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// What a verdict is in a registry, and how long one may be, in bytes.
const (
	VerdictType = "application/vnd.rootfsgen.verdict.v1+json"
	MaxVerdict  = 32 << 20
)

// EncodeVerdict is a verdict as it is written down. One that is longer than what
// is read of it again is an error, and written nowhere: nobody could tell what it
// says.
func EncodeVerdict(v model.Verdict) ([]byte, error) {
	body, err := json.Marshal(v)
	if err == nil && len(body) > MaxVerdict {
		err = fmt.Errorf("it has %d bytes, and at most %d are read again: it names %d findings that block, %d that were excepted", len(body), MaxVerdict, len(v.Blocking), len(v.Excepted))
	}
	if err != nil {
		return nil, fmt.Errorf("writing the verdict of %s %s: %w", v.ID(), v.Platform, err)
	}
	return body, nil
}

// ReadVerdict reads a verdict of one digest out of a registry. One of another
// digest or version, or that was judged out of a file, is none: anybody who may
// push can attach anything.
func ReadVerdict(body []byte, digest model.Digest) (v model.Verdict, ok bool) {
	err := json.Unmarshal(body, &v)
	return v, err == nil && v.Digest == digest && v.Version == model.VerdictVersion && !v.Detached
}

// The folders of build-artifacts in which a job's steps find what those before
// them said, a file "<image>-<arch>.json" for each platform.
const (
	ScansFolder    = "scan"
	VerdictsFolder = "verdict"
)

// Step judges targets. It is safe for concurrent use.
type Step struct {
	Registry  *registry.Client
	Policy    model.Policy
	Artifacts string           // build-artifacts; empty reads and writes none
	Judged    func(Subject)    // is told of each judgement, concurrently; nil tells nobody
	Now       func() time.Time // nil is the clock
	// Rescan asks the scanners again, of an image whose scan is too old and
	// where the policy says "rescan"; nil: nobody is there to be asked.
	Rescan func(context.Context, scan.Request) ([]model.Scan, error)
}

var _ step.Target = Step{}.Run

// InGoogle says whether a repository lies where Google scans.
func InGoogle(repo string) Where {
	host, _, _ := bytes.Cut([]byte(repo), []byte("/"))
	return Where{GAR: login.IsGoogle(string(host))}
}

// NotBuilt is a target whose bytes are not in the registry.
type NotBuilt struct {
	Target model.TargetID
	Repo   string
}

// Error says what to do first.
func (n *NotBuilt) Error() string {
	return fmt.Sprintf("judging %s: it is not in the registry (%s)\nhint: build it first: rootfsrun build %s", n.Target, n.Repo, n.Target.Node())
}

// Run judges the newest bytes of a target by the scans that this job has made
// of them, else by the newest ones in the registry. The verdict is attached to
// the digest whatever it is; only one that passes leaves a receipt. What does
// not pass is a *Refused or an *Incomplete, unless the policy only warns. It
// skips when the same scans have passed the same policy before, and when the
// policy is off.
func (s Step) Run(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
	switch {
	case e.Action == model.ActionRetire:
		return model.Receipt{}, step.Skip("it is not built any more")
	case s.Policy.Mode == model.EnforceOff:
		return model.Receipt{}, step.Skip("enforcement is off in scan-policy.yaml: nothing was judged")
	}
	if s.Now == nil {
		s.Now = time.Now
	}
	repo := p.Prefix + "/" + e.Repository
	built, found, err := s.Registry.Built(ctx, repo, e.Key, e.Generation)
	if err == nil && !found {
		err = &NotBuilt{Target: e.ID(), Repo: repo}
	}
	if err != nil {
		return model.Receipt{}, err
	}
	file := p.FileName(e.ID()) + "-" + e.Platform.Arch + ".json"
	scans, err := s.scans(ctx, repo, file, built.Digest)
	if err != nil {
		return model.Receipt{}, err
	}
	subject := Subject{Ref: repo + "@" + built.Digest.String(), File: source(e)}
	subject.Verdict, subject.Scans, err = s.judge(ctx, scan.Request{Repo: repo, Target: e.ID(), Digest: built.Digest}, scans)
	if err != nil {
		return model.Receipt{}, err
	}
	if s.Judged != nil {
		s.Judged(subject)
	}
	return s.keep(ctx, repo, file, e, &subject.Verdict)
}

// judge judges by the scans that there are and, where one of them is too old
// and the policy says "rescan", by those that are made now. Both are returned:
// what an old one found still counts where the new one has not ended.
func (s Step) judge(ctx context.Context, r scan.Request, scans []model.Scan) (model.Verdict, []model.Scan, error) {
	where := InGoogle(r.Repo)
	v := Judge(s.Policy, s.Now(), r.Target, r.Digest, scans, where)
	n := slices.IndexFunc(v.Sources, func(s model.VerdictScan) bool { return s.State == model.ScanStale && ended(scans, s.Digest) })
	if s.Rescan == nil || s.Policy.State.Inactive != model.PolicyRescan || n < 0 {
		return v, scans, nil
	}
	old := v.Sources[n]
	said := fmt.Sprintf("the scan by %s, of %s, is too old: the image was scanned again (scanState.inactive)", old.Source, old.Time)
	more, err := s.Rescan(ctx, r)
	switch {
	case ctx.Err() != nil:
		return v, nil, context.Cause(ctx)
	case err != nil:
		said = fmt.Sprintf("the scan by %s, of %s, is too old, and the image could not be scanned again: %v", old.Source, old.Time, err)
	}
	scans = append(slices.Clone(scans), more...)
	v = Judge(s.Policy, s.Now(), r.Target, r.Digest, scans, where)
	v.Warnings = append(v.Warnings, clean(said))
	slices.Sort(v.Warnings)
	return v, scans, nil
}

// ended tells whether a scan had finished when it was made: a scanner that says
// itself that what it knows is too old has just been asked.
func ended(scans []model.Scan, document model.Digest) bool {
	return slices.ContainsFunc(scans, func(s model.Scan) bool {
		return s.State == model.ScanFinished && s.DocumentDigest() == document
	})
}

// source is the file that a target is made from.
func source(e *model.Entry) string {
	if e.Recipe != nil && e.Recipe.Dockerfile != nil {
		return e.Recipe.Dockerfile.Path
	}
	return e.Dir
}

// scans are those of a digest: what the step before wrote, as far as it is of
// this digest, else what is kept in the registry.
func (s Step) scans(ctx context.Context, repo, file string, digest model.Digest) ([]model.Scan, error) {
	if s.Artifacts != "" {
		path := filepath.Join(s.Artifacts, ScansFolder, file)
		content, err := readBounded(path)
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, fmt.Errorf("reading what was scanned: %w", err)
		}
		if err == nil {
			scans, list := ReadScans(path, content)
			if err := list.Err(); err != nil {
				return nil, err
			}
			if slices.ContainsFunc(scans, func(s model.Scan) bool { return s.Digest == digest }) {
				return scans, nil
			}
		}
	}
	return scan.Store{Registry: s.Registry}.Newest(ctx, repo, digest)
}

func readBounded(path string) ([]byte, error) {
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(io.LimitReader(f, MaxFindings+1))
	return b, errors.Join(err, f.Close())
}

// keep writes down what was judged.
func (s Step) keep(ctx context.Context, repo, file string, e *model.Entry, v *model.Verdict) (model.Receipt, error) {
	r := receipt(e, v)
	passed := v.Outcome == model.VerdictPass
	body, err := EncodeVerdict(*v)
	if err != nil && !passed { // what has passed before has not any more, whether or not it can be written why
		said, failed := s.forget(ctx, repo, r)
		err = errors.Join(err, failed)
		for _, more := range said {
			err = fmt.Errorf("%w; %s", err, more)
		}
	}
	if err != nil {
		return model.Receipt{}, err
	}
	if s.Artifacts != "" {
		if err := artifact.WriteFile(filepath.Join(s.Artifacts, VerdictsFolder), file, append(body, '\n')); err != nil {
			return model.Receipt{}, err
		}
	}
	if passed {
		was, found, err := s.Registry.Receipt(ctx, repo, model.ReceiptTag(model.StepGate, r.StepKey))
		if err != nil {
			return model.Receipt{}, err
		}
		if found && was.Status == model.ReceiptPassed && was.Digest == r.Digest && slices.Equal(was.Inputs, r.Inputs) {
			return was, step.Skip("it has passed this policy with these scans")
		}
	}
	_, err = s.Registry.PutArtifact(ctx, repo, registry.Artifact{
		Subject: v.Digest, Type: VerdictType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: v.Time},
	})
	if err != nil {
		return model.Receipt{}, err
	}
	if passed {
		return r, s.Registry.PutReceipt(ctx, repo, r)
	}
	said, err := s.forget(ctx, repo, r)
	if err != nil {
		return model.Receipt{}, err
	}
	if s.Policy.Mode != model.EnforceBlock {
		return model.Receipt{Digest: v.Digest}, nil
	}
	if v.Outcome == model.VerdictIncomplete {
		return model.Receipt{Digest: v.Digest}, &Incomplete{Why: append([]string{Sentence(v)}, said...)}
	}
	return model.Receipt{Digest: v.Digest}, &Refused{Why: append([]string{Sentence(v)}, said...)}
}

// forget removes the receipt of an earlier pass, so that nobody finds that the
// digest has passed. A registry that does not let us is said; it changes nothing
// about the verdict.
func (s Step) forget(ctx context.Context, repo string, r model.Receipt) (said []string, err error) {
	tag := model.ReceiptTag(r.Step, r.StepKey)
	at, found, err := s.Registry.Resolve(ctx, repo, tag)
	if err != nil || !found {
		return nil, err
	}
	if err = s.Registry.Delete(ctx, repo, at.Digest); err == nil {
		if _, found, err = s.Registry.Resolve(ctx, repo, tag); err == nil && found {
			err = errors.New("the registry keeps the tag " + tag)
		}
	}
	switch {
	case ctx.Err() != nil:
		return nil, context.Cause(ctx)
	case err != nil:
		return []string{fmt.Sprintf("the receipt of an earlier pass is still there: %v", err)}, nil
	}
	return nil, nil
}

// receipt is that of a verdict that passes.
func receipt(e *model.Entry, v *model.Verdict) model.Receipt {
	r := model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepGate, StepKey: model.GateStepKey(v.Digest, v.Policy), Status: model.ReceiptPassed,
		Image: e.Image, Tag: e.Tag, Variant: e.Variant, Platform: e.Platform.String(), Key: e.Key, Generation: e.Generation,
		Digest: v.Digest, UpdatedAt: v.Time, Inputs: []model.Material{{Name: "policy", Digest: v.Policy}},
	}
	for _, s := range v.Sources {
		r.Inputs = append(r.Inputs, model.Material{Name: "scan " + s.Source, Digest: s.Digest})
	}
	return r
}

// The files of build-artifacts that a run's judgements are in, together.
const (
	SARIFFile  = "gate.sarif"
	GitLabFile = "gl-container-scanning-report.json"
	JUnitFile  = "junit-gate.xml"
)

// WriteReports writes what was judged into a folder, in the forms that forges
// read. Version is this program's.
func WriteReports(dir string, subjects []Subject, version string) error {
	subjects = slices.Clone(subjects)
	slices.SortFunc(subjects, func(a, b Subject) int { return a.Verdict.ID().Compare(b.Verdict.ID()) })
	for name, write := range map[string]func(io.Writer) error{
		SARIFFile:  func(w io.Writer) error { return WriteSARIF(w, subjects, version) },
		GitLabFile: func(w io.Writer) error { return WriteGitLab(w, subjects, version) },
		JUnitFile:  func(w io.Writer) error { return WriteJUnit(w, subjects) },
	} {
		var b bytes.Buffer
		if err := write(&b); err != nil {
			return fmt.Errorf("writing %s: %w", name, err)
		}
		if err := artifact.WriteFile(dir, name, b.Bytes()); err != nil {
			return err
		}
	}
	return nil
}
