package traps

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// verdicts is a plan that is asked questions.
type verdicts struct {
	model.Plan
	t *testing.T
}

// of are the entries of an image, one for each platform.
func (v *verdicts) of(image string) []*model.Entry {
	v.t.Helper()
	var out []*model.Entry
	for i := range v.Entries {
		if v.Entries[i].Image == image {
			out = append(out, &v.Entries[i])
		}
	}
	if len(out) == 0 {
		v.t.Fatalf("the plan has no %s", image)
	}
	return out
}

// builds shows that exactly these images are built.
func (v *verdicts) builds(images ...string) {
	v.t.Helper()
	var got []string
	for _, e := range v.Entries {
		if e.Action == model.ActionBuild {
			got = append(got, e.Image)
		}
	}
	slices.Sort(got)
	slices.Sort(images)
	if got = slices.Compact(got); !slices.Equal(got, images) {
		v.t.Errorf("built are %q, want %q\n%s", got, images, v.show())
	}
}

// because shows that every platform of an image has a reason that agrees with
// each of these in all fields that are set; Detail need only be contained.
func (v *verdicts) because(image string, reasons ...model.Reason) {
	v.t.Helper()
	for _, e := range v.of(image) {
		for _, want := range reasons {
			if !slices.ContainsFunc(e.Reasons, func(r model.Reason) bool { return agrees(r, want) }) {
				v.t.Errorf("%s (%s) lacks the reason %+v, it has %+v", e.ID(), e.Action, want, e.Reasons)
			}
		}
	}
}

func agrees(r, want model.Reason) bool {
	same := func(got, want string) bool { return want == "" || got == want }
	return r.Kind == want.Kind && same(r.Path, want.Path) && same(r.Name, want.Name) &&
		same(r.Old, want.Old) && same(r.New, want.New) && strings.Contains(r.Detail, want.Detail)
}

// steps shows what is done with every platform of an image.
func (v *verdicts) steps(image string, action model.Action, build, test string) {
	v.t.Helper()
	for _, e := range v.of(image) {
		if e.Action != action || e.Steps[model.StepBuild] != build || e.Steps[model.StepTest] != test {
			v.t.Errorf("%s: %s, build %s, test %s; want %s, %s, %s: %+v",
				e.ID(), e.Action, e.Steps[model.StepBuild], e.Steps[model.StepTest], action, build, test, e.Reasons)
		}
	}
}

// notes shows that the plan tells people something.
func (v *verdicts) notes(part string) {
	v.t.Helper()
	if !strings.Contains(strings.Join(v.Notes, "\n"), part) {
		v.t.Errorf("the notes lack %q: %q", part, v.Notes)
	}
}

// from shows what is compared with; empty is nothing.
func (v *verdicts) from(ref string) {
	v.t.Helper()
	got := ""
	if v.From != nil {
		got = v.From.Ref
	}
	if got != ref {
		v.t.Errorf("compared with %q, want %q", got, ref)
	}
}

func (v *verdicts) show() string {
	var b strings.Builder
	for _, e := range v.Entries {
		reasons, err := json.Marshal(e.Reasons)
		if err != nil {
			v.t.Fatal(err)
		}
		fmt.Fprintf(&b, "  %s: %s %s\n", e.ID(), e.Action, reasons)
	}
	return b.String()
}

func file(path string) model.Reason { return model.Reason{Kind: model.ReasonFile, Path: path} }

// parent is the reason that an image of the fleet changed.
func parent(node string) model.Reason { return model.Reason{Kind: model.ReasonParent, Name: node} }
