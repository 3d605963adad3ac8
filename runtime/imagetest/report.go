package imagetest

import (
	"bytes"
	"context"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/junit"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// JUnitType is the type of an artifact that has what the tests of a digest
// came to.
const JUnitType = "application/vnd.rootfsgen.junit.v1+xml"

// stepKeyAnnotation tells which tests they were.
const stepKeyAnnotation = "dev.rootfsgen.step-key"

// maxJUnit bounds a report, in bytes.
const maxJUnit = 8 << 20

// Attach lays what ran beside the bytes that it ran in, whatever came of it:
// other pipelines see the registry, and not the files of a job.
func (s Suite) Attach(ctx context.Context, c *registry.Client) error {
	var b bytes.Buffer
	if err := WriteJUnit(&b, []Suite{s}); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	repo, digest, _ := strings.Cut(s.Ref, "@")
	_, err := c.PutArtifact(ctx, repo, registry.Artifact{
		Subject: model.Digest(digest), Type: JUnitType, Body: b.Bytes(),
		Annotations: map[string]string{
			registry.CreatedAnnotation: s.Started.UTC().Format(time.RFC3339), stepKeyAnnotation: s.StepKey.String(),
		},
	})
	return err
}

// Report is the newest one that was attached of the tests that a plan wants of
// a target, as JUnit XML. It is nil where there is none: nothing was built, or
// nothing ran.
func Report(ctx context.Context, c *registry.Client, p *model.Plan, e *model.Entry) ([]byte, error) {
	repo := p.Prefix + "/" + e.Repository
	digest, _, err := Step{Registry: c}.built(ctx, repo, e)
	if _, absent := errors.AsType[*NotBuilt](err); absent {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	found, err := c.Artifacts(ctx, repo, digest, JUnitType)
	if err != nil {
		return nil, err
	}
	for _, f := range found {
		if f.Annotations[stepKeyAnnotation] != model.TestStepKey(digest, e.TestsKey).String() {
			continue
		}
		body, _, _, err := c.ReadArtifact(ctx, repo, f.Digest, maxJUnit)
		if err != nil {
			return nil, err
		}
		if err := readable(body); err != nil {
			return nil, fmt.Errorf("reading the results of %s: %w", e.ID(), err)
		}
		return body, nil
	}
	return nil, nil
}

// readable refuses what is no report: whoever may push could have written it.
func readable(body []byte) error {
	var report junit.Report
	d := xml.NewDecoder(bytes.NewReader(body))
	if err := d.Decode(&report); err != nil {
		return err
	}
	for {
		next, err := d.Token()
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err != nil {
			return err
		}
		if _, blank := next.(xml.CharData); !blank {
			return errors.New("there is something behind the report")
		}
	}
}
