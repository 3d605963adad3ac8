package attest

import (
	"bytes"
	"context"
	"encoding/json"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
)

// listings are the predicates of lists of packages, by the type of their
// artifact.
var listings = map[string]string{
	sbom.MediaType(sbom.CycloneDX): TypeCycloneDX,
	sbom.MediaType(sbom.SPDX):      TypeSPDX,
	sbom.MediaType(sbom.Syft):      TypeSyft,
}

// list is a list of packages, where the step that lists says that it has
// written it.
func (s Step) list(ctx context.Context, repo string, digest model.Digest, f registry.Found, body []byte) (p predicate, what string, err error) {
	kind := listings[f.Type]
	_, ours, err := sbom.Vouched(ctx, s.Registry, repo, digest, f, body)
	if err != nil || !ours {
		return p, "", err
	}
	var compact bytes.Buffer
	if err := json.Compact(&compact, body); err != nil {
		return p, "", err
	}
	return predicate{kind, json.RawMessage(compact.Bytes())}, kind, nil
}

// withoutDoubles leaves syft's own list out where there is another one: it says
// the same at many times the length, for a scanner.
func withoutDoubles(all []predicate) []predicate {
	listed := slices.ContainsFunc(all, func(p predicate) bool { return p.kind == TypeCycloneDX || p.kind == TypeSPDX })
	return slices.DeleteFunc(all, func(p predicate) bool { return listed && p.kind == TypeSyft })
}
