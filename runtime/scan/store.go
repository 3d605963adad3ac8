package scan

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// ArtifactType is what a kept scan is in a registry.
const ArtifactType = "application/vnd.rootfsgen.scan.v1+json"

// MaxDocument bounds a kept scan, in bytes.
const MaxDocument = 64 << 20

// Store keeps finished scans beside the images that they are of.
type Store struct {
	Registry *registry.Client

	// In is the repository whose scans are believed, by that of the image; empty
	// where none is. nil is the image's own.
	In func(repo string) string
	// Own is the receipt, by its tag, of a scan that this process has itself put
	// beside an image, wherever scans are believed: what the receipt names is, by
	// its digest, whatever the tag stands for by now. nil knows none.
	Own func(repo, tag string) (model.Receipt, bool)
	// Kept is told of each scan that is written, concurrently; nil tells nobody.
	Kept func(repo string, artifact model.Digest, r model.Receipt)
}

// believed is the receipt of a tag that counts for an image in a repository,
// and the repository that what it names lies in.
func (s Store) believed(ctx context.Context, repo, tag string) (model.Receipt, string, bool, error) {
	if s.Own != nil {
		if r, made := s.Own(repo, tag); made {
			return r, repo, true, nil
		}
	}
	if s.In != nil {
		repo = s.In(repo)
	}
	if repo == "" {
		return model.Receipt{}, "", false, nil
	}
	r, found, err := s.Registry.Receipt(ctx, repo, tag)
	return r, repo, found, err
}

func name(source string) string { return "scan " + source }

func tag(s model.Scan) string {
	return model.ReceiptTag(model.StepScan, model.ScanStepKey(s.Digest, s.Source, s.Tool, s.Database))
}

// Save keeps a finished scan. The same one is not written again, and none whose
// receipt nobody would believe: it would take the place of one that counts.
func (s Store) Save(ctx context.Context, repo string, scan model.Scan) error {
	if scan.State != model.ScanFinished {
		return fmt.Errorf("keeping the scan of %s: it is %s", scan.ID(), scan.State)
	}
	if !s.Registry.Vouches(repo) {
		return nil
	}
	body, err := json.Marshal(scan)
	if err != nil {
		return fmt.Errorf("keeping the scan of %s: %w", scan.ID(), err)
	}
	if same, err := s.has(ctx, repo, scan, body); err != nil || same {
		return err
	}
	artifact, err := s.Registry.PutArtifact(ctx, repo, registry.Artifact{
		Subject: scan.Digest, Type: ArtifactType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: scan.Time},
	})
	if err != nil {
		return err
	}
	r := model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepScan, StepKey: model.ScanStepKey(scan.Digest, scan.Source, scan.Tool, scan.Database), Status: model.ReceiptPassed,
		Image: scan.Image, Tag: scan.Tag, Variant: scan.Variant, Platform: scan.Platform, Digest: scan.Digest, UpdatedAt: scan.Time,
		Inputs: []model.Material{{Name: name(scan.Source), Digest: artifact}},
	}
	if s.Kept != nil {
		s.Kept(repo, artifact, r)
	}
	return s.Registry.PutReceipt(ctx, repo, r)
}

// has tells whether a scan that counts is the same already, to the byte.
func (s Store) has(ctx context.Context, repo string, scan model.Scan, body []byte) (bool, error) {
	was, repo, found, err := s.believed(ctx, repo, tag(scan))
	if err != nil || !found || was.Digest != scan.Digest {
		return false, err
	}
	old, subject, _, err := s.Registry.ReadArtifact(ctx, repo, material(was, name(scan.Source)), MaxDocument)
	return err == nil && subject == scan.Digest && bytes.Equal(old, body), nil // what cannot be read is written again
}

// Load finds the kept scan of a digest by one source, with that tool and
// database. What is there but is no such scan is as good as nothing.
func (s Store) Load(ctx context.Context, r Request, source, tool, database string) (model.Scan, bool, error) {
	want := r.State(source, model.ScanFinished, "")
	want.Tool, want.Database = tool, database
	receipt, repo, found, err := s.believed(ctx, r.Repo, tag(want))
	if err != nil || !found || receipt.Digest != r.Digest {
		return model.Scan{}, false, err
	}
	scan, err := s.read(ctx, repo, material(receipt, name(source)), r.Digest)
	if errors.Is(err, errOther) || errors.Is(err, registry.ErrAbsent) {
		return model.Scan{}, false, nil
	}
	if err != nil {
		return model.Scan{}, false, err
	}
	if scan.Source != source || scan.Tool != tool || scan.Database != database {
		return model.Scan{}, false, nil
	}
	scan.Image, scan.Tag, scan.Variant, scan.Platform = want.Image, want.Tag, want.Variant, want.Platform // the same bytes may have another name
	return scan, true, nil
}

// Newest finds the newest kept scan of a digest by each source, sorted by
// source. What no receipt names is passed over: it is no scan of ours, or an
// earlier form of one, with statements that do not hold any more.
func (s Store) Newest(ctx context.Context, repo string, digest model.Digest) ([]model.Scan, error) {
	found, err := s.Registry.Artifacts(ctx, repo, digest, ArtifactType)
	if err != nil {
		return nil, err
	}
	newest := map[string]model.Scan{}
	for _, f := range found {
		scan, err := s.read(ctx, repo, f.Digest, digest)
		if errors.Is(err, errOther) || errors.Is(err, registry.ErrAbsent) {
			continue
		}
		if err != nil {
			return nil, err
		}
		receipt, there, err := s.Registry.Receipt(ctx, repo, tag(scan))
		if err != nil {
			return nil, err
		}
		current := there && receipt.Digest == digest && material(receipt, name(scan.Source)) == f.Digest
		if had, ok := newest[scan.Source]; current && (!ok || later(scan, had)) {
			newest[scan.Source] = scan
		}
	}
	return sortedScans(newest), nil
}

// later tells whether a ended after b; what has no time is the older one.
func later(a, b model.Scan) bool {
	at, err := time.Parse(time.RFC3339, a.Time)
	bt, berr := time.Parse(time.RFC3339, b.Time)
	return err == nil && (berr != nil || at.After(bt))
}

// errOther is an artifact that is no finished scan of the digest.
var errOther = errors.New("no scan of this digest")

func (s Store) read(ctx context.Context, repo string, artifact, digest model.Digest) (model.Scan, error) {
	if !artifact.Valid() {
		return model.Scan{}, errOther
	}
	body, subject, what, err := s.Registry.ReadArtifact(ctx, repo, artifact, MaxDocument)
	if err != nil {
		return model.Scan{}, err
	}
	var scan model.Scan
	if json.Unmarshal(body, &scan) != nil || subject != digest || what != ArtifactType || scan.Digest != digest || scan.State != model.ScanFinished || scan.Source == "" || scan.Findings == nil {
		return model.Scan{}, errOther
	}
	return scan, nil
}

func material(r model.Receipt, name string) model.Digest {
	for _, in := range r.Inputs {
		if in.Name == name {
			return in.Digest
		}
	}
	return ""
}
