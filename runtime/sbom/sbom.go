// Package sbom lists what an image is made of, with syft, and attaches the
// lists to the image. A list that is there already, of the same digest by the
// same syft, is not made again.
//
// syft is given a folder that our own registry client filled, not a reference:
// so it needs no logins and no network, every byte that it reads has the digest
// that was asked for, and what is read is bounded.
package sbom

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// The formats of a list.
const (
	CycloneDX = "cyclonedx-json"
	SPDX      = "spdx-json"
	Syft      = "syft-json" // what the local scanner reads
)

// Formats are all of them, the default first.
func Formats() []string { return []string{CycloneDX, SPDX, Syft} }

// MediaType is what an artifact of a format is, empty for an unknown format.
func MediaType(format string) string {
	return map[string]string{
		CycloneDX: "application/vnd.cyclonedx+json", SPDX: "application/spdx+json", Syft: "application/vnd.syft+json",
	}[format]
}

// MediaTypes are those of all formats.
func MediaTypes() []string {
	var out []string
	for _, format := range Formats() {
		out = append(out, MediaType(format))
	}
	return out
}

// The most that is read: of an image's compressed layers, and of a list, in
// bytes.
const (
	maxImage    = 64 << 30
	MaxDocument = 128 << 20
)

// Step makes lists. It is safe for concurrent use.
type Step struct {
	Registry *registry.Client
	Program  Program
	Formats  []string                  // of Formats, CycloneDX where there are none
	Reports  string                    // folder for gl-sbom-<file>-<arch>.cdx.json, as GitLab reads it; empty writes none
	Out      string                    // folder for <file>-<arch> in every format, see FileName; empty writes none
	Along    []string                  // formats that are written to the registry whenever any is, as one reading makes all
	ReadOnly bool                      // nothing is written to the registry
	Made     func(Subject, []Document) // is told what there is of each image; nil tells nobody
	Now      func() time.Time          // nil is the clock

	// In is the repository whose lists are believed, by that of the image; empty
	// where none is, so that the image is listed anew. nil is the image's own.
	In func(repo string) string
	// Own is the receipt, by its tag, of a list that this process has itself put
	// beside an image, wherever lists are believed: what the receipt names is, by
	// its digest, whatever the tag stands for by now. nil knows none.
	Own func(repo, tag string) (model.Receipt, bool)
	// Kept is told of each list that is in the registry, concurrently: that was
	// found where In or Own says, or is written now beside the image. nil tells nobody.
	Kept func(Subject, Document)
}

var _ step.Target = Step{}.Run

// Subject is the image of one platform, in its repository.
type Subject struct {
	Repo   string // "host/path"
	Target model.TargetID
	Digest model.Digest
}

// Document is a list in one format.
type Document struct {
	Format   string
	Body     []byte
	Receipt  model.Receipt // zero where nothing was written to the registry
	Artifact model.Digest  // that the registry has it in, empty likewise
	New      bool          // it was made now
}

// NotBuilt is a target whose bytes are not in the registry.
type NotBuilt struct {
	Target model.TargetID
	Repo   string
}

// Error says what to do first.
func (n *NotBuilt) Error() string {
	return fmt.Sprintf("%s is not in the registry (%s)\nhint: build it first: rootfsrun build %s", n.Target, n.Repo, n.Target.Node())
}

// Locate finds the newest bytes of a plan's target; the error is a *NotBuilt
// where there are none.
func Locate(ctx context.Context, c *registry.Client, p *model.Plan, e *model.Entry) (Subject, error) {
	s := Subject{Repo: p.Prefix + "/" + e.Repository, Target: e.ID()}
	d, found, err := c.Built(ctx, s.Repo, e.Key, e.Generation)
	if err == nil && !found {
		err = &NotBuilt{Target: s.Target, Repo: s.Repo}
	}
	s.Digest = d.Digest
	return s, err
}

// Run lists what the newest bytes of a target are made of, and skips when that
// was done before. The receipt is that of the first format.
func (s Step) Run(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
	if e.Action == model.ActionRetire {
		return model.Receipt{}, step.Skip("it is not built any more")
	}
	subject, err := Locate(ctx, s.Registry, p, e)
	if err != nil {
		return model.Receipt{}, err
	}
	formats := s.formats()
	docs, err := s.Documents(ctx, subject, formats)
	if err != nil {
		return model.Receipt{}, err
	}
	if err := s.report(p.FileName(subject.Target)+"-"+e.Platform.Arch, docs); err != nil {
		return model.Receipt{}, err
	}
	if s.Made != nil {
		s.Made(subject, docs)
	}
	if !slices.ContainsFunc(docs, func(d Document) bool { return d.New }) {
		return docs[0].Receipt, step.Skip(strings.Join(formats, ", ") + " of " + subject.Digest.Short() + " are there")
	}
	return docs[0].Receipt, nil
}

func (s Step) formats() []string {
	if len(s.Formats) == 0 {
		return []string{CycloneDX}
	}
	return s.Formats
}

// Documents returns the lists of one image in the formats, in their order:
// those that are attached to it already, and those that are made now, which are
// then attached.
func (s Step) Documents(ctx context.Context, of Subject, formats []string) ([]Document, error) {
	tool, err := s.Program.Version(ctx)
	if err != nil {
		return nil, err
	}
	docs := make([]Document, len(formats))
	var missing []string
	for n, format := range formats {
		d, found, err := s.attached(ctx, of, tool, format)
		if err != nil {
			return nil, fmt.Errorf("reading what %s is made of: %w", of.Target, err)
		}
		if !found {
			missing = append(missing, format)
		} else if s.Kept != nil {
			s.Kept(of, d)
		}
		docs[n] = d
	}
	if len(missing) == 0 {
		return docs, nil
	}
	for _, format := range append(slices.Clone(s.Along), Syft) { // the scanner will ask for it, and syft reads the image only once
		if !s.ReadOnly && !slices.Contains(formats, format) && !slices.Contains(missing, format) {
			missing = append(missing, format)
		}
	}
	made, err := s.make(ctx, of, missing)
	if err != nil {
		return nil, fmt.Errorf("listing what %s is made of: %w", of.Target, err)
	}
	for format, body := range made {
		d := Document{Format: format, Body: body, New: true}
		if !s.ReadOnly {
			if d, err = s.attach(ctx, of, tool, d); err != nil {
				return nil, err
			}
			if s.Kept != nil {
				s.Kept(of, d)
			}
		}
		if n := slices.Index(formats, format); n >= 0 {
			docs[n] = d
		}
	}
	return docs, nil
}

// make reads the image and lists it.
func (s Step) make(ctx context.Context, of Subject, formats []string) (docs map[string][]byte, err error) {
	dir, err := os.MkdirTemp("", "rootfsrun-sbom-")
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, os.RemoveAll(dir)) }()
	if err := s.Registry.SaveLayout(ctx, of.Repo, of.Digest, filepath.Join(dir, layout), maxImage); err != nil {
		return nil, err
	}
	return s.Program.run(ctx, dir, run{source: layout, kinds: []string{"oci-dir"}, name: of.Repo, version: of.Digest.String(), formats: formats})
}

// attached finds the list that a receipt speaks of. One whose artifact is gone,
// or is another than the receipt says, is made again.
func (s Step) attached(ctx context.Context, of Subject, tool, format string) (Document, bool, error) {
	tag := model.ReceiptTag(model.StepSBOM, model.SBOMStepKey(of.Digest, tool, format))
	believed := of
	if s.In != nil {
		believed.Repo = s.In(of.Repo)
	}
	if believed.Repo != "" {
		r, found, err := s.Registry.Receipt(ctx, believed.Repo, tag)
		if err != nil {
			return Document{}, false, err
		}
		if found {
			if d, whole, err := s.read(ctx, believed, format, r); err != nil || whole {
				return d, whole, err
			}
		}
	}
	if s.Own != nil {
		if r, made := s.Own(of.Repo, tag); made {
			return s.read(ctx, of, format, r)
		}
	}
	return Document{}, false, nil
}

// read reads the list that a receipt names, false where it is no whole one of
// the image.
func (s Step) read(ctx context.Context, of Subject, format string, r model.Receipt) (Document, bool, error) {
	if r.Digest != of.Digest {
		return Document{}, false, nil
	}
	body, subject, what, err := s.Registry.ReadArtifact(ctx, of.Repo, material(r, "artifact "+format), MaxDocument)
	if errors.Is(err, registry.ErrAbsent) {
		return Document{}, false, nil
	}
	if err != nil {
		return Document{}, false, err
	}
	whole := check(format, body) == nil
	whole = whole && subject == of.Digest && what == MediaType(format) && model.DigestOf(body) == material(r, "sbom "+format)
	return Document{Format: format, Body: body, Receipt: r, Artifact: material(r, "artifact "+format)}, whole, nil
}

// material is the digest that a receipt has for a name, empty where it has
// none.
func material(r model.Receipt, name string) model.Digest {
	for _, in := range r.Inputs {
		if in.Name == name {
			return in.Digest
		}
	}
	return ""
}

// attach writes the list, and then the receipt that makes it count.
func (s Step) attach(ctx context.Context, of Subject, tool string, d Document) (Document, error) {
	now := time.Now
	if s.Now != nil {
		now = s.Now
	}
	at := now().UTC().Format(time.RFC3339)
	in, err := s.Registry.PutArtifact(ctx, of.Repo, registry.Artifact{
		Subject: of.Digest, Type: MediaType(d.Format), Body: d.Body, Annotations: map[string]string{registry.CreatedAnnotation: at},
	})
	if err != nil {
		return d, err
	}
	d.Artifact, d.Receipt = in, model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepSBOM, StepKey: model.SBOMStepKey(of.Digest, tool, d.Format), Status: model.ReceiptPassed,
		Image: of.Target.Image, Tag: of.Target.Tag, Variant: of.Target.Variant, Platform: of.Target.Platform.String(), Digest: of.Digest, UpdatedAt: at,
		Inputs: []model.Material{{Name: "artifact " + d.Format, Digest: in}, {Name: "sbom " + d.Format, Digest: model.DigestOf(d.Body)}},
	}
	return d, s.Registry.PutReceipt(ctx, of.Repo, d.Receipt)
}

// FileName is what a list's file is called, name with the format's usual ending.
func FileName(name, format string) string {
	return name + "." + map[string]string{CycloneDX: "cdx", SPDX: "spdx", Syft: "syft"}[format] + ".json"
}

// report writes the lists to files.
func (s Step) report(name string, docs []Document) error {
	for _, d := range docs {
		if s.Reports != "" && d.Format == CycloneDX {
			if err := artifact.WriteFile(s.Reports, "gl-sbom-"+FileName(name, d.Format), d.Body); err != nil {
				return err
			}
		}
		if s.Out != "" {
			if err := WriteFile(s.Out, name, d.Format, d.Body); err != nil {
				return err
			}
		}
	}
	return nil
}

// WriteFile writes a list into a folder, which it makes where it is missing;
// name must be one below it.
func WriteFile(dir, name, format string, body []byte) error {
	file := FileName(name, format)
	if filepath.Base(file) != file {
		return fmt.Errorf("writing %q: not the name of a file", file)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	if err := os.WriteFile(filepath.Join(dir, file), body, 0o644); err != nil {
		return fmt.Errorf("writing %s: %w", file, err)
	}
	return nil
}

// check tells why a document is not a whole one of its format.
func check(format string, body []byte) error {
	var d struct {
		BOMFormat   string                         `json:"bomFormat"`
		SPDXVersion string                         `json:"spdxVersion"`
		Artifacts   *[]json.RawMessage             `json:"artifacts"`
		Descriptor  struct{ Name, Version string } `json:"descriptor"`
	}
	if err := json.Unmarshal(body, &d); err != nil {
		return fmt.Errorf("it is no whole document: %w", err)
	}
	ok := map[string]bool{
		CycloneDX: d.BOMFormat == "CycloneDX", SPDX: strings.HasPrefix(d.SPDXVersion, "SPDX-"), Syft: d.Artifacts != nil && d.Descriptor.Name == "syft",
	}[format]
	if !ok {
		return fmt.Errorf("it is no %s", cmp.Or(format, "known format"))
	}
	return nil
}
