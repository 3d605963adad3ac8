package build_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// A base whose configuration the plan did not know may have triggers: they are
// refused, because what they copy was not selected.
func TestUnknownTriggersAreRefused(t *testing.T) {
	f := newFleet(t)
	busybox := f.get("base", model.LinuxAMD64).Recipe.Contexts
	push := func(text string) {
		e := f.entry("outside", model.LinuxAMD64, text)
		e.Key, e.Repository, e.Recipe.Contexts = model.DigestOf([]byte(text)), "outside", busybox
		r, err := f.step.Run(t.Context(), f.plan, &e)
		if err == nil {
			err = f.step.Registry.MoveTag(t.Context(), f.plan.Prefix+"/outside", r.Digest, "latest")
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	child := f.get("child", model.LinuxAMD64)
	child.Parents = nil
	child.Recipe.Dockerfile = f.objects.put("images/child/Dockerfile", "FROM outside\nCOPY --from=tools t /t\nCOPY f /f\n")
	child.Recipe.Contexts = []model.NamedContext{
		{Ref: "outside", Image: f.plan.Prefix + "/outside", Inherits: true},
		{Ref: "tools", Folder: "shared", Files: []model.TreeEntry{*f.objects.put("t", "tool\n")}},
	}
	push("FROM busybox:1.35\nONBUILD COPY . /all\n")
	_, err := f.step.Run(t.Context(), f.plan, child)
	if err == nil || !strings.Contains(err.Error(), `has an ONBUILD "COPY . /all"`) || !strings.Contains(err.Error(), "rootfsgen lock") {
		t.Errorf("not refused: %v", err)
	}
	push("FROM busybox:1.35\nRUN true\n")
	if _, built := f.run(t, "child", model.LinuxAMD64); !built {
		t.Error("not built")
	}
}
