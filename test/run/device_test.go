package run

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestADeskWithoutTheDevice runs a fleet of which one image needs a gpu to be
// tested: that it is untested is said aloud, and it is published only once a
// machine says that it has one.
func TestADeskWithoutTheDevice(t *testing.T) {
	f := newFleet(t, "devices", map[string]string{
		"images/python/image.yaml": "id: python\narch: amd64\nneeds_device: gpu\ntests:\n  - {name: app, cmd: grep -q print /app.py}\n",
		"images/base/image.yaml":   "id: base\narch: amd64\n",
		"images/child/image.yaml":  "id: child\narch: amd64\n",
	})
	if out, code := f.try("rootfsgen", "plan", "--registry", f.prefix); code != 0 || !strings.Contains(out, "1 image untested") || !strings.Contains(out, "Untested, and so neither published") {
		t.Errorf("exit code %d, the plan says:\n%s", code, out)
	}
	code, rows, said := f.run()
	want := map[string]string{
		"base linux/amd64": "built", "python linux/amd64": "untested", "child linux/amd64": "built", "lone linux/amd64": "built",
		"base": "merged", "python": "skipped", "child": "skipped", "lone": "merged",
	}
	if diff := cmp.Diff(want, actions(rows)); code != 0 || diff != "" {
		t.Fatalf("exit code %d, %s\n%s", code, diff, said)
	}
	if !strings.Contains(said, "python linux/amd64: untested: its tests need a machine with gpu") {
		t.Errorf("nobody says so:\n%s", said)
	}
	for name := range f.published() {
		if strings.HasPrefix(name, "python:0-") || strings.HasPrefix(name, "child:0-") {
			t.Errorf("it published %s", name)
		}
	}
	if out, code := f.try("rootfsrun", "merge", "python", "--registry", f.prefix); code == 0 || !strings.Contains(out, "they need a machine with gpu") {
		t.Errorf("exit code %d, a merge says:\n%s", code, out)
	}
	code, rows, said = f.run("--device", "gpu")
	for name, action := range map[string]string{"python linux/amd64": "tested", "python": "merged", "child": "merged"} {
		if rows[name].Action != action || code != 0 {
			t.Errorf("with a gpu: exit code %d, %s is %+v\n%s", code, name, rows[name], said)
		}
	}
}
