package sbom

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Vouched tells whether the step that lists says of a list, which lies beside an
// image as an artifact, that it has written just this one about just this
// digest; tag is that of its receipt. Anybody who may push can lay a list beside
// an image, and where receipts are judged nobody but those who are trusted can
// lay such a receipt there.
func Vouched(ctx context.Context, c *registry.Client, repo string, about model.Digest, list registry.Found, body []byte) (tag string, ok bool, err error) {
	said := selfDescribed(body)
	format := slices.IndexFunc(Formats(), func(f string) bool { return MediaType(f) == list.Type })
	if format < 0 || said.tool == "" || said.of != "" && said.of != about {
		return "", false, nil
	}
	tag = model.ReceiptTag(model.StepSBOM, model.SBOMStepKey(about, said.tool, Formats()[format]))
	r, found, err := c.Receipt(ctx, repo, tag)
	if err != nil || !found || r.Digest != about {
		return tag, false, err
	}
	return tag, slices.ContainsFunc(r.Inputs, func(m model.Material) bool { return m.Digest == list.Digest }), nil
}

// saying is what a list says of itself.
type saying struct {
	tool string       // "syft 1.57.0"; empty where it names none
	of   model.Digest // the image's, as the program was told; empty likewise
}

func selfDescribed(body []byte) (out saying) {
	type program struct{ Name, Version string }
	var doc struct {
		Metadata struct {
			Tools     struct{ Components []program }
			Component struct{ Version model.Digest }
		}
		CreationInfo struct{ Creators []string }
		Descriptor   program
		Source       struct{ Version model.Digest }
	}
	if json.Unmarshal(body, &doc) != nil {
		return saying{}
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
			out.tool = p.Name + " " + p.Version
			break
		}
	}
	for _, of := range []model.Digest{doc.Metadata.Component.Version, doc.Source.Version} {
		if of.Valid() {
			out.of = of
		}
	}
	return out
}
