package attest

import (
	"encoding/json"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// buildType is how our images are made; docs/guide/signing.md describes its
// parameters.
const buildType = "https://rootfsgen.dev/build/v1"

// Provenance is the predicate of TypeProvenance: SLSA's, version 1.
type Provenance struct {
	Definition Definition `json:"buildDefinition"`
	Run        RunDetails `json:"runDetails"`
}

// Definition is what was built, and from what.
type Definition struct {
	Type         string         `json:"buildType"`
	External     Parameters     `json:"externalParameters"`
	Dependencies []Resource     `json:"resolvedDependencies"`
	Internal     map[string]any `json:"internalParameters,omitempty"`
}

// Parameters name a target.
type Parameters struct {
	Image      string       `json:"image"`
	Tag        string       `json:"tag,omitempty"`
	Variant    string       `json:"variant,omitempty"`
	Platform   string       `json:"platform,omitempty"` // empty for an index
	Key        model.Digest `json:"key"`                // of everything that can change its bytes; for an index its identity
	Generation int          `json:"generation"`
}

// Resource is one thing that a build was made from.
type Resource struct {
	Name   string            `json:"name,omitempty"`
	URI    string            `json:"uri,omitempty"`
	Digest map[string]string `json:"digest"`
}

// RunDetails is who has built.
type RunDetails struct {
	Builder  Builder  `json:"builder"`
	Metadata Metadata `json:"metadata"`
}

// Builder is who is trusted to have built as it is said.
type Builder struct {
	ID string `json:"id"`
}

// Metadata is when.
type Metadata struct {
	Finished string `json:"finishedOn,omitempty"` // RFC 3339
}

// Origin is what a job knows about itself: who builds, and where the source
// lies.
type Origin struct {
	Builder string // address of the pipeline, which builder_ids may name
	Source  string // address of the repository; empty is not known
}

// provenance is made of a receipt: of a build, or, for an index, of its merge.
func (o Origin) provenance(r model.Receipt, revision string) Provenance {
	p := Provenance{
		Definition: Definition{Type: buildType, External: Parameters{
			Image: r.Image, Tag: r.Tag, Variant: r.Variant, Platform: r.Platform, Key: r.Key, Generation: r.Generation,
		}},
		Run: RunDetails{Builder: Builder{ID: o.Builder}, Metadata: Metadata{Finished: r.UpdatedAt}},
	}
	if revision != "" {
		source := Resource{Name: "source", Digest: map[string]string{"gitCommit": revision}}
		if o.Source != "" {
			source.URI = "git+" + o.Source
		}
		p.Definition.Dependencies = append(p.Definition.Dependencies, source)
	}
	for _, m := range r.Inputs {
		if m.Digest.Valid() {
			p.Definition.Dependencies = append(p.Definition.Dependencies, Resource{Name: m.Name, Digest: map[string]string{"sha256": m.Digest.Hex()}})
		}
	}
	return p
}

// Scanned is the predicate of TypeScan, as cosign specifies it.
type Scanned struct {
	Invocation Invocation `json:"invocation"`
	Scanner    Scanner    `json:"scanner"`
	Metadata   ScanTimes  `json:"metadata"`
}

// Invocation is who has asked for a scan.
type Invocation struct {
	Parameters []string `json:"parameters"`
	URI        string   `json:"uri"`
	EventID    string   `json:"event_id"`
	Builder    string   `json:"builder.id"`
}

// Scanner is who has scanned, with what, and what it has found: a model.Scan
// where we have.
type Scanner struct {
	URI     string          `json:"uri"`
	Version string          `json:"version"`
	DB      ScannerDB       `json:"db"`
	Result  json.RawMessage `json:"result"`
}

// ScannerDB is how old what a scanner knows is.
type ScannerDB struct {
	URI        string `json:"uri"`
	Version    string `json:"version"`
	LastUpdate string `json:"lastUpdate"` // RFC 3339
}

// ScanTimes are RFC 3339.
type ScanTimes struct {
	Started  string `json:"scanStartedOn"`
	Finished string `json:"scanFinishedOn"`
}

func (o Origin) scanned(s model.Scan) (Scanned, error) {
	result, err := json.Marshal(s)
	if err != nil {
		return Scanned{}, err
	}
	database := s.Database
	if _, err := time.Parse(time.RFC3339, database); err != nil {
		database = s.Time // of a source that does not tell: it knew then what it knew
	}
	return Scanned{
		Invocation: Invocation{Builder: o.Builder},
		Scanner:    Scanner{URI: "https://rootfsgen.dev/scan/" + s.Source, Version: s.Tool, DB: ScannerDB{LastUpdate: database}, Result: result},
		Metadata:   ScanTimes{Started: s.Time, Finished: s.Time},
	}, nil
}
