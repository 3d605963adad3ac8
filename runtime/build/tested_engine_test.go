package build_test

import (
	"errors"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/build"
)

// TestParentMustHavePassed builds a child on a parent whose tests the plan
// runs: before they have passed, and after.
func TestParentMustHavePassed(t *testing.T) {
	f := newFleet(t)
	f.run(t, "base", model.LinuxAMD64)
	base, child := f.get("base", model.LinuxAMD64), f.get("child", model.LinuxAMD64)
	base.TestsKey = model.DigestOf([]byte("tests"))
	base.Steps = map[string]string{model.StepBuild: model.StepRun, model.StepTest: model.StepRun}

	f.step.Tested = true
	_, err := f.step.Run(t.Context(), f.plan, child)
	if u, is := errors.AsType[*build.UntestedParent](err); !is || u.Parent != base.ID() || !strings.Contains(err.Error(), "its parent base:1 linux/amd64 has not passed its tests\nhint: ") {
		t.Fatalf("a parent that has not passed: %v", err)
	}

	r, found, err := f.step.Registry.Receipt(t.Context(), f.repo("base"), model.ReceiptTag(model.StepBuild, model.BuildStepKey(base.Key, 0)))
	if err != nil || !found {
		t.Fatal(found, err)
	}
	r.Step, r.StepKey = model.StepTest, model.TestStepKey(r.Digest, base.TestsKey)
	if err := f.step.Registry.PutReceipt(t.Context(), f.repo("base"), r); err != nil {
		t.Fatal(err)
	}
	if _, built := f.run(t, "child", model.LinuxAMD64); !built {
		t.Error("the child was not built though its parent has passed")
	}
}

// TestParentWithoutTestsToRun builds on a parent that has passed before, or
// where nobody asks.
func TestParentWithoutTestsToRun(t *testing.T) {
	f := newFleet(t)
	f.run(t, "base", model.LinuxAMD64)
	base := f.get("base", model.LinuxAMD64)
	base.Steps = map[string]string{model.StepTest: model.StepDone}
	f.step.Tested = true
	f.run(t, "child", model.LinuxAMD64)
	base.Steps[model.StepTest] = model.StepRun
	f.step.Tested = false
	f.run(t, "child", model.LinuxAMD64)
}
