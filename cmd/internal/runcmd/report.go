package runcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// reportsAtOnce bounds the looks at the registry that reports take.
const reportsAtOnce = 4

func (w *workshop) index() index.Step {
	return index.Step{Registry: w.registry, Artifacts: w.artifacts}
}

// report writes the files of the indexes that had been merged before, for
// those who find the folder empty, and tells which reports of tests could not
// be written. What the document says is there already costs nothing; it may be
// nil.
func (w *workshop) report(ctx context.Context, p *model.Plan, d *manifest.Document) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(reportsAtOnce)
	called := p.Called()
	for n := range p.Indexes {
		i := &p.Indexes[n]
		if i.Action == model.StepRun { // its merge has written it, or failed
			continue
		}
		if listed, found := d.Find(called(i.ID())); found && artifact.Index(w.artifacts, p.FileName(i.ID()), listed.Image, model.Digest(listed.Digest)) {
			continue
		}
		g.Go(func() error { return w.index().Report(ctx, p, i) })
	}
	err := g.Wait()
	w.mu.Lock()
	defer w.mu.Unlock()
	return errors.Join(err, w.unreported)
}

// junit writes the tests of one target that ran.
func (w *workshop) junit(s imagetest.Suite) {
	w.tests.add(s)
	if len(s.Results) == 0 {
		return
	}
	var b bytes.Buffer
	err := imagetest.WriteJUnit(&b, []imagetest.Suite{s})
	if err == nil {
		err = artifact.WriteFile(w.artifacts, fmt.Sprintf("junit-%s-%s.xml", w.fileName(s.Target), s.Target.Platform.Arch), b.Bytes())
	}
	if err != nil {
		w.mu.Lock()
		defer w.mu.Unlock()
		w.unreported = errors.Join(w.unreported, fmt.Errorf("writing the JUnit report of %s: %w", s.Target, err))
	}
}
