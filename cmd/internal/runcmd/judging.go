package runcmd

import (
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"sync"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sbom"
	"github.com/rootfsgen/rootfsgen/runtime/scan"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// judging is what a walk lists, scans and judges with.
type judging struct {
	w        *workshop
	scanners scanners
}

// scanners are those of all images of a plan, which lie in one registry. They
// are opened when the first image is scanned.
type scanners struct {
	app      *app.App
	registry *registry.Client
	policy   model.Policy

	mu   sync.Mutex
	step *scan.Step
	end  func() error
}

// judge adds to a walk the steps between tests and merge, where the plan asks
// for them. A desk without a policy leaves them out, and says so.
func (w *workshop) judge(p *model.Plan, s *walk.Steps) error {
	policy, err := (&gating{}).readPolicy(w.app)
	if err != nil {
		return err
	}
	switch {
	case policy.Mode == model.EnforceOff:
		return nil
	case p.Policy == "" && policy.Mode == model.EnforceBlock:
		if !w.app.Quiet {
			fmt.Fprintln(w.app.Err, "Nothing is scanned or judged: there is no scan-policy.yaml.")
		}
		return nil
	case p.Policy != "" && p.Policy != policy.Digest():
		return app.Fail(app.ExitInvalid, errors.New("the plan was made with another scan-policy.yaml: plan again, or check out its commit"))
	}
	if idle(p) {
		return nil
	}
	syft, err := tools.Find(filepath.Join(w.cache, "bin"), "syft")
	if err != nil {
		return err
	}
	j := &judging{w: w, scanners: scanners{app: w.app, registry: w.registry, policy: policy}}
	w.judging = j
	log := w.app.Log
	s.SBOM = step.ForTarget(model.StepSBOM, log, sbom.Step{Registry: w.registry, Program: sbom.NewProgram(syft), Reports: w.artifacts}.Run)
	s.Scan = step.ForTarget(model.StepScan, log, j.run)
	s.Gate = step.ForTarget(model.StepGate, log, gate.Step{Registry: w.registry, Policy: policy, Artifacts: w.artifacts, Judged: w.verdict}.Run)
	return nil
}

// idle tells whether nothing of a plan is to be merged, so that nothing is
// judged, and no scanner is needed.
func idle(p *model.Plan) bool {
	for n := range p.Indexes {
		if p.Indexes[n].Action != model.StepDone {
			return false
		}
	}
	return true
}

// run scans the newest bytes of one target.
func (j *judging) run(ctx context.Context, p *model.Plan, e *model.Entry) (model.Receipt, error) {
	s, err := sbom.Locate(ctx, j.w.registry, p, e)
	if err != nil {
		return model.Receipt{}, err
	}
	requests := []scan.Request{{Repo: s.Repo, Target: s.Target, Digest: s.Digest}}
	scans, err := j.scanners.run(ctx, requests)
	if err != nil {
		return model.Receipt{}, err
	}
	file := p.FileName(s.Target) + "-" + e.Platform.Arch + ".json"
	return model.Receipt{Digest: s.Digest}, writeScans(filepath.Join(j.w.artifacts, gate.ScansFolder), file, scans, s.Target)
}

// run scans images of one repository.
func (s *scanners) run(ctx context.Context, requests []scan.Request) ([]model.Scan, error) {
	step, err := s.open(ctx, requests)
	if err != nil {
		return nil, err
	}
	return step.Run(ctx, requests)
}

func (s *scanners) open(ctx context.Context, requests []scan.Request) (*scan.Step, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.step != nil {
		return s.step, nil
	}
	step, end, err := (&scanning{}).step(ctx, s.app, s.registry, s.policy, requests)
	if err != nil {
		return nil, errors.Join(err, end())
	}
	s.step, s.end = &step, end
	return s.step, nil
}

// close ends the scanners.
func (s *scanners) close() error {
	if s.end == nil {
		return nil
	}
	return s.end()
}

// close ends what was opened.
func (j *judging) close() error {
	if j == nil {
		return nil
	}
	return j.scanners.close()
}

// verdict collects what was judged, for the reports of the run.
func (w *workshop) verdict(s gate.Subject) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.subjects = append(w.subjects, s)
}

// reportVerdicts writes the reports of what this run has judged.
func (w *workshop) reportVerdicts() error {
	w.mu.Lock()
	defer w.mu.Unlock()
	if len(w.subjects) == 0 {
		return nil
	}
	return gate.WriteReports(w.artifacts, w.subjects, app.Version())
}
