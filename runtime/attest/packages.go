package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// listing is a form of a list of packages.
type listing struct {
	format string // as the step that lists calls it
	kind   string // of the predicate
}

// listings are those that are known, by the type of their artifact.
var listings = map[string]listing{
	sbom.MediaType(sbom.CycloneDX): {sbom.CycloneDX, TypeCycloneDX},
	sbom.MediaType(sbom.SPDX):      {sbom.SPDX, TypeSPDX},
	sbom.MediaType(sbom.Syft):      {sbom.Syft, TypeSyft},
}

// list is a list of packages, where the step that lists says that it has
// written it: its receipt lies under the program that the list names.
func (s Step) list(ctx context.Context, repo string, digest model.Digest, f registry.Found, body []byte) (p predicate, what string, err error) {
	of := listings[f.Type]
	tool := listedBy(body)
	if tool == "" {
		return p, "", nil
	}
	r, found, err := s.Registry.Receipt(ctx, repo, model.ReceiptTag(model.StepSBOM, model.SBOMStepKey(digest, tool, of.format)))
	if err != nil || !found || !names(r, digest, f.Digest) {
		return p, "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return p, "", err
	}
	return predicate{of.kind, json.RawMessage(compact.Bytes())}, of.kind, nil
}

// listedBy is the program that a list says has written it, "syft 1.57.0"; empty
// where it says none.
func listedBy(body []byte) string {
	type program struct{ Name, Version string }
	var doc struct {
		Metadata struct {
			Tools struct{ Components []program }
		}
		CreationInfo struct{ Creators []string }
		Descriptor   program
	}
	if json.Unmarshal(body, &doc) != nil {
		return ""
	}
	all := append(doc.Metadata.Tools.Components, doc.Descriptor)
	for _, c := range doc.CreationInfo.Creators {
		if tool, found := strings.CutPrefix(c, "Tool: "); found {
			name, version, _ := strings.Cut(tool, "-")
			all = append(all, program{name, version})
		}
	}
	for _, p := range all {
		if p.Name != "" && p.Version != "" {
			return p.Name + " " + p.Version
		}
	}
	return ""
}

// withoutDoubles leaves syft's own list out where there is another one: it says
// the same at many times the length, for a scanner.
func withoutDoubles(all []predicate) []predicate {
	listed := slices.ContainsFunc(all, func(p predicate) bool { return p.kind == TypeCycloneDX || p.kind == TypeSPDX })
	return slices.DeleteFunc(all, func(p predicate) bool { return listed && p.kind == TypeSyft })
}
