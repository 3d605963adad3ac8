package index

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
)

// Report writes the file of an index that was merged before, as Run does for
// one that it merges. One that is not merged in its current state has none.
func (s Step) Report(ctx context.Context, p *model.Plan, i *model.Index) error {
	m := &merging{Step: s, plan: p, index: i, repo: p.Prefix + "/" + i.Repository}
	r, found, err := m.merged(ctx)
	if err != nil || !found {
		return err
	}
	return m.report(ctx, r)
}

// report writes the index's file for the programs that come after.
func (m *merging) report(ctx context.Context, r model.Receipt) error {
	if m.Artifacts == "" {
		return nil
	}
	a := artifact.Artifact{
		ImageID: m.index.Image, File: m.plan.FileName(m.index.ID()), Ref: m.repo + ":" + r.VersionTag, Tag: r.VersionTag, Digest: r.Digest, Index: true,
	}
	var err error
	if a.UpdatedAt, err = time.Parse(time.RFC3339, r.UpdatedAt); err != nil {
		return fmt.Errorf("reading the time of the merge of %s: %w", name(m.index), err)
	}
	for _, p := range m.parts {
		raw, _, err := m.Registry.Manifest(ctx, m.repo, material(r, p.Platform.String()).String())
		if err != nil {
			return err
		}
		size, err := compressed(raw)
		if err != nil {
			return fmt.Errorf("reading the manifest of %s %s: %w", name(m.index), p.Platform, err)
		}
		a.Size += size
		a.Arch = append(a.Arch, p.Platform.Arch)
	}
	return artifact.Write(m.Artifacts, a)
}

// compressed is how many bytes are fetched for an image.
func compressed(raw []byte) (int64, error) {
	var m v1.Manifest
	if err := json.Unmarshal(raw, &m); err != nil {
		return 0, err
	}
	size := int64(len(raw)) + m.Config.Size
	for _, l := range m.Layers {
		size += l.Size
	}
	return size, nil
}
