package artifactregistry

import (
	"context"
	"fmt"
	"slices"
	"strings"

	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	"google.golang.org/api/iterator"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// Attachment is a document that Artifact Registry knows to be about a manifest.
type Attachment struct {
	Name      string
	Type      string       // "application/vnd.spdx+json"
	Namespace string       // who made it, "artifactanalysis.googleapis.com" is Google
	Version   model.Digest // of its own manifest, empty where it has none
}

// Attachments lists what is attached to a manifest, sorted by name. None is no
// error.
func (c *Client) Attachments(ctx context.Context, image string, digest model.Digest) ([]Attachment, error) {
	p, err := placeOf(image, true)
	if err != nil {
		return nil, err
	}
	if !digest.Valid() {
		return nil, fmt.Errorf("listing what is attached in %s: invalid digest %q", image, digest)
	}
	target := p.packageName() + "/versions/" + digest.String()
	doing := "listing what is attached to " + target
	listed, err := pages[*pb.Attachment](ctx, c, doing, func(ctx context.Context, token string) iterator.Pageable {
		return c.client.ListAttachments(ctx, &pb.ListAttachmentsRequest{Parent: p.name(), Filter: fmt.Sprintf("target=%q", target), PageSize: pageSize, PageToken: token}, googleapi.Once())
	})
	if err != nil {
		return nil, err
	}
	var out []Attachment
	for _, a := range listed {
		if a.GetTarget() != target {
			return nil, fmt.Errorf("%s: the answer is about %s", doing, googleapi.Line(a.GetTarget()))
		}
		x := Attachment{Name: googleapi.Line(lastPart(a.GetName())), Type: googleapi.Line(a.GetType()), Namespace: googleapi.Line(a.GetAttachmentNamespace())}
		x.Version, _ = model.ParseDigest(lastPart(a.GetOciVersionName())) // empty where it is none
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Attachment) int { return strings.Compare(a.Name, b.Name) })
	return out, nil
}
