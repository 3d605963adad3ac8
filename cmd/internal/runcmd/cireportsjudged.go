package runcmd

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
)

// judged fetches what the plan's images were judged by, and what they are made
// of, as GitLab's reports: one of all findings, and a list for each platform. It
// names the files that it wrote.
func (o *repeating) judged(ctx context.Context, a *app.App, c *registry.Client, p *model.Plan) ([]string, error) {
	written := []string{}
	var subjects []gate.Subject
	for i := range p.Entries {
		e := &p.Entries[i]
		if e.Action == model.ActionRetire || e.Steps[model.StepGate] != model.StepRun {
			continue
		}
		at, err := sbom.Locate(ctx, c, p, e)
		if err == nil {
			var s *gate.Subject
			if s, err = lastVerdict(ctx, c, at); err == nil && s != nil {
				subjects = append(subjects, *s)
			}
		}
		if err == nil {
			var list []byte
			if list, err = newest(ctx, c, at, sbom.MediaType(sbom.CycloneDX), sbom.MaxDocument); err == nil && list != nil {
				name := "gl-sbom-" + sbom.FileName(p.FileName(e.ID())+"-"+e.Platform.Arch, sbom.CycloneDX)
				if err := artifact.WriteFile(o.out, name, list); err != nil {
					return nil, err
				}
				written = append(written, filepath.Join(o.out, name))
			}
		}
		if ctx.Err() != nil {
			return nil, context.Cause(ctx)
		}
		if err != nil {
			a.Log.Warn(err.Error())
		}
	}
	if len(subjects) == 0 {
		return written, nil
	}
	var b bytes.Buffer
	if err := gate.WriteGitLab(&b, subjects, app.Version()); err != nil {
		return nil, err
	}
	return append(written, filepath.Join(o.out, gate.GitLabFile)), artifact.WriteFile(o.out, gate.GitLabFile, b.Bytes())
}

// lastVerdict is the newest judgement of an image, with the scans that are kept
// beside it; nil where there is none.
func lastVerdict(ctx context.Context, c *registry.Client, at sbom.Subject) (*gate.Subject, error) {
	body, err := newest(ctx, c, at, gate.VerdictType, gate.MaxVerdict)
	if err != nil || body == nil {
		return nil, err
	}
	s := &gate.Subject{Ref: at.Repo + "@" + at.Digest.String()}
	if err := json.Unmarshal(body, &s.Verdict); err != nil || s.Verdict.Digest != at.Digest {
		return nil, fmt.Errorf("reading the verdict on %s: it is none", at.Target)
	}
	s.Scans, err = scan.Store{Registry: c}.Newest(ctx, at.Repo, at.Digest)
	return s, err
}

// newest is the newest artifact of a type about an image; nil where there is
// none.
func newest(ctx context.Context, c *registry.Client, at sbom.Subject, what string, limit int64) ([]byte, error) {
	found, err := c.Artifacts(ctx, at.Repo, at.Digest, what)
	if err != nil || len(found) == 0 {
		return nil, err
	}
	body, subject, _, err := c.ReadArtifact(ctx, at.Repo, found[0].Digest, limit)
	if err == nil && subject != at.Digest {
		err = fmt.Errorf("reading what is said of %s: it is about another image", at.Target)
	}
	return body, err
}
