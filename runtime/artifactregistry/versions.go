package artifactregistry

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	pb "cloud.google.com/go/artifactregistry/apiv1/artifactregistrypb"
	"google.golang.org/api/iterator"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/googleapi"
)

// pollDeletion is how long is waited between two questions whether a deletion
// has ended.
const pollDeletion = time.Second

// Version is a manifest of an image, with a tag or without.
type Version struct {
	Digest   model.Digest
	Tags     []string  // sorted
	Uploaded time.Time // UTC
}

// Versions lists all manifests of an image, sorted by digest. None is no error,
// and neither is an image that is not there.
func (c *Client) Versions(ctx context.Context, image string) ([]Version, error) {
	p, err := placeOf(image, true)
	if err != nil {
		return nil, err
	}
	doing := "listing the versions of " + p.packageName()
	listed, err := pages[*pb.Version](ctx, c, doing, func(ctx context.Context, token string) iterator.Pageable {
		return c.client.ListVersions(ctx, &pb.ListVersionsRequest{Parent: p.packageName(), PageSize: pageSize, PageToken: token}, googleapi.Once())
	})
	if googleapi.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	// A version names a hundred of its tags at most. The tags are read last: one
	// that was moved meanwhile then stands for what it stands for now.
	tags, err := c.Tags(ctx, image)
	if err != nil {
		return nil, err
	}
	of := map[model.Digest][]string{}
	for tag, d := range tags {
		of[d] = append(of[d], tag)
	}
	out := make([]Version, 0, len(listed))
	for _, v := range listed {
		d, err := model.ParseDigest(lastPart(v.GetName()))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", doing, googleapi.Line(v.GetName()), err)
		}
		x := Version{Digest: d, Tags: of[d]}
		if v.GetCreateTime() != nil {
			x.Uploaded = v.GetCreateTime().AsTime()
		}
		if v.GetUpdateTime() != nil && v.GetUpdateTime().AsTime().After(x.Uploaded) {
			x.Uploaded = v.GetUpdateTime().AsTime() // was pushed again
		}
		slices.Sort(x.Tags)
		out = append(out, x)
	}
	slices.SortFunc(out, func(a, b Version) int { return strings.Compare(a.Digest.String(), b.Digest.String()) })
	return out, nil
}

// Tags are what the tags of an image stand for.
func (c *Client) Tags(ctx context.Context, image string) (map[string]model.Digest, error) {
	p, err := placeOf(image, true)
	if err != nil {
		return nil, err
	}
	doing := "listing the tags of " + p.packageName()
	listed, err := pages[*pb.Tag](ctx, c, doing, func(ctx context.Context, token string) iterator.Pageable {
		return c.client.ListTags(ctx, &pb.ListTagsRequest{Parent: p.packageName(), PageSize: pageSize, PageToken: token}, googleapi.Once())
	})
	if googleapi.Missing(err) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := make(map[string]model.Digest, len(listed))
	for _, t := range listed {
		d, err := model.ParseDigest(lastPart(t.GetVersion()))
		if err != nil {
			return nil, fmt.Errorf("%s: %q: %w", doing, googleapi.Line(t.GetVersion()), err)
		}
		out[lastPart(t.GetName())] = d
	}
	return out, nil
}

// Delete removes a manifest with its tags, and waits until it is gone. One that
// is not there is no error.
func (c *Client) Delete(ctx context.Context, image string, digest model.Digest) error {
	p, err := placeOf(image, true)
	if err != nil {
		return err
	}
	if !digest.Valid() {
		return fmt.Errorf("deleting from %s: invalid digest %q", image, digest)
	}
	name := p.packageName() + "/versions/" + digest.String()
	err = c.o.Retry.Do(ctx, "deleting "+name, func(ctx context.Context) error {
		op, err := c.client.DeleteVersion(ctx, &pb.DeleteVersionRequest{Name: name, Force: true}, googleapi.Once())
		if err != nil {
			return err
		}
		for !op.Done() {
			if err := op.Poll(ctx, googleapi.Once()); err != nil || op.Done() {
				return err
			}
			if err := c.o.Retry.Pause(ctx, pollDeletion); err != nil {
				return err
			}
		}
		return nil
	})
	if googleapi.Missing(err) {
		return nil
	}
	return err
}
