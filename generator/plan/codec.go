package plan

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// versionTag is the form of an index's version.
var versionTag = regexp.MustCompile(`^[A-Za-z0-9_][A-Za-z0-9_.-]{0,127}$`)

// maxPlan bounds a plan in bytes, before anything is made of it.
const maxPlan = 256 << 20

// Encode writes plan.json: the same plan gives the same bytes.
func Encode(p *model.Plan) ([]byte, error) {
	var b bytes.Buffer
	err := EncodeTo(&b, p)
	return b.Bytes(), err
}

// VersionError is a plan of a version that this program does not know.
type VersionError struct{ Version int }

// Error says which version there is, and which is expected.
func (e *VersionError) Error() string {
	return fmt.Sprintf("reading the plan: it is of version %d, and this program reads version %d: use the same release of rootfsgen and rootfsrun",
		e.Version, model.PlanVersion)
}

// Decode reads plan.json and trusts nothing in it: an unknown version, an
// unknown key and a name that could not come from a plan are errors.
func Decode(b []byte) (*model.Plan, error) {
	if len(b) > maxPlan {
		return nil, fmt.Errorf("reading the plan: it is larger than %d bytes", maxPlan)
	}
	p, err := decode(b)
	if err != nil || p.Version != model.PlanVersion {
		if other := checkVersion(b); other != nil { // which then is why
			return nil, other
		}
	}
	if err == nil {
		err = check(p)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the plan: %w", err)
	}
	return p, nil
}

func decode(b []byte) (*model.Plan, error) {
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	var p model.Plan
	if err := d.Decode(&p); err != nil {
		return nil, err
	}
	if _, err := d.Token(); !errors.Is(err, io.EOF) {
		return nil, errors.New("something follows it")
	}
	return &p, nil
}

// checkVersion reads the version alone: a plan of another may have anything
// else.
func checkVersion(b []byte) error {
	var head struct {
		Version *int `json:"version"`
	}
	if err := json.Unmarshal(b, &head); err != nil {
		return fmt.Errorf("reading the plan: it is not whole: %w", err)
	}
	switch {
	case head.Version == nil:
		return errors.New("reading the plan: it has no version")
	case *head.Version != model.PlanVersion:
		return &VersionError{Version: *head.Version}
	}
	return nil
}

func check(p *model.Plan) error {
	if p.Prefix != "" {
		if err := model.CheckPrefix(p.Prefix); err != nil {
			return err
		}
	}
	if p.ReadPrefix != "" {
		if err := model.CheckPrefix(p.ReadPrefix); err != nil {
			return err
		}
	}
	if p.SnapshotID != "" {
		if err := model.CheckSnapshotID(p.SnapshotID); err != nil {
			return err
		}
	}
	if !slices.Contains([]string{model.ScopePR, model.ScopeTesting, model.ScopeProd}, p.Scope) {
		return fmt.Errorf("unknown scope %q", p.Scope)
	}
	if err := checkSigned(p); err != nil {
		return err
	}
	if p.Policy != "" && !p.Policy.Valid() {
		return errors.New("the digest of its policy is not valid")
	}
	if p.Registry != "known" && p.Registry != "unknown" {
		return fmt.Errorf("the registry is %q, neither known nor unknown", p.Registry)
	}
	seen := map[model.TargetID]*model.Entry{}
	for i := range p.Entries {
		e := &p.Entries[i]
		if seen[e.ID()] != nil {
			return fmt.Errorf("%s is there twice", e.ID())
		}
		seen[e.ID()] = e
	}
	for i := range p.Entries {
		e := &p.Entries[i]
		if err := checkEntry(e, seen); err != nil {
			return fmt.Errorf("%s: %w", e.ID(), err)
		}
	}
	return checkIndexes(p.Indexes)
}

func checkEntry(e *model.Entry, all map[model.TargetID]*model.Entry) error {
	err := errors.Join(
		model.CheckImageName(e.Image), model.CheckTag(e.Tag), model.CheckRepository(e.Repository), model.CheckPath(e.Dir))
	if e.Variant != "" {
		err = errors.Join(err, model.CheckTag(e.Variant))
	}
	switch {
	case err != nil:
		return err
	case e.Platform == model.Platform{}:
		return errors.New("it has no platform")
	case !e.Key.Valid() || !e.TestsKey.Valid() || e.Digest != "" && !e.Digest.Valid():
		return errors.New("its key, tests_key or digest is not valid")
	case !believable(e.Generation) || e.Wave < 0:
		return errors.New("its generation or wave is out of bounds")
	}
	switch e.Action {
	case model.ActionRetire:
		return nil
	case model.ActionBuild, model.ActionReuse, model.ActionNone:
	default:
		return fmt.Errorf("unknown action %q", e.Action)
	}
	for _, step := range []string{model.StepBuild, model.StepTest} {
		s := e.Steps[step]
		if untested := step == model.StepTest && s == model.StepUntested && e.Device != ""; s != model.StepRun && s != model.StepDone && !untested {
			return fmt.Errorf("step %s is %q, neither run nor done", step, s)
		}
	}
	if s := e.Steps[model.StepGate]; s != "" && s != model.StepRun && s != model.StepDone {
		return fmt.Errorf("step %s is %q, neither run nor done", model.StepGate, s)
	}
	if err := checkDevice(e); err != nil {
		return err
	}
	if e.Recipe == nil {
		return errors.New("it has no recipe")
	}
	if !seconds(e.Recipe.TimeoutSeconds) || slices.ContainsFunc(e.Tests, func(t model.Test) bool { return !seconds(t.TimeoutSeconds) }) {
		return errors.New("a time limit is out of bounds")
	}
	for _, p := range e.Parents {
		id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: p.Platform}
		if id.Platform == (model.Platform{}) {
			id.Platform = e.Platform
		}
		parent := all[id]
		if parent == nil || parent.Action == model.ActionRetire {
			return fmt.Errorf("its parent %s is not in the plan", id)
		}
		if parent.Wave >= e.Wave || !believable(p.Generation) || parent.Key != p.Key || parent.Repository != p.Repository {
			return fmt.Errorf("it does not agree with its parent %s", id)
		}
	}
	return nil
}

func believable(generation int) bool { return generation >= 0 && generation <= model.MaxGeneration }

// seconds tells whether a time limit is one, at most a week; 0 is the default.
func seconds(n int) bool { return n >= 0 && n <= 7*24*60*60 }

func checkIndexes(indexes []model.Index) error {
	for i := range indexes {
		x := &indexes[i]
		name := model.TargetID{Image: x.Image, Tag: x.Tag, Variant: x.Variant}.Node()
		err := errors.Join(model.CheckImageName(x.Image), model.CheckTag(x.Tag), model.CheckRepository(x.Repository))
		if x.Variant != "" {
			err = errors.Join(err, model.CheckTag(x.Variant))
		}
		platforms := map[model.Platform]bool{}
		for _, p := range x.Platforms {
			platforms[p] = true
		}
		switch {
		case err != nil:
			return fmt.Errorf("index %s: %w", name, err)
		case len(platforms) == 0 || len(platforms) < len(x.Platforms):
			return fmt.Errorf("index %s: it has no platforms, or one of them twice", name)
		case !believable(x.Generation):
			return fmt.Errorf("index %s: its generation is out of bounds", name)
		case !strings.HasPrefix(x.Version, version(model.TargetID{Tag: x.Tag, Variant: x.Variant}, Request{})) || !versionTag.MatchString(x.Version):
			return fmt.Errorf("index %s: its version is %q", name, x.Version)
		case !x.Identity.Valid():
			return fmt.Errorf("index %s: its identity is not valid", name)
		case x.Action != model.StepRun && x.Action != model.StepDone && x.Action != model.StepUntested:
			return fmt.Errorf("index %s: its action is %q, neither run nor done", name, x.Action)
		}
	}
	return nil
}
