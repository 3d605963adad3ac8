package run

import (
	"bytes"
	"context"
	"encoding/json"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/services"
)

// onDesk is the same repository on a machine that starts engines of its own,
// which end with the test.
func (f *fleet) onDesk(further ...string) *fleet {
	f.t.Helper()
	desk := *f
	desk.env = slices.DeleteFunc(slices.Clone(f.env), func(v string) bool { return strings.HasPrefix(v, "BUILDKIT_HOST=") })
	desk.env = append(desk.env, further...)
	f.t.Cleanup(func() {
		if err := services.Stop(context.Background(), filepath.Join(f.Dir, ".cache")); err != nil { // the test's context has ended
			f.t.Error(err)
		}
	})
	return &desk
}

// job carries out one job of a plan alone, and returns what became of its target.
func (f *fleet) job(plan, name string) row {
	f.t.Helper()
	cmd := f.command("rootfsrun", "run", plan, "--job", name, "--json")
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		f.t.Fatalf("%s: %v\n%s\n%s", name, err, out.String(), errs.String())
	}
	var result struct{ Results []row }
	if err := json.Unmarshal(out.Bytes(), &result); err != nil || len(result.Results) != 1 {
		f.t.Fatalf("%s: %v\n%s\n%s", name, err, out.String(), errs.String())
	}
	return result.Results[0]
}

// A job of a pipeline that is carried out on a desk before CI has done so builds
// there, with engines that have never seen the image, on the parent that CI has
// built; and comes to the bytes that CI then comes to.
func TestAReplayedJobBuilds(t *testing.T) {
	t.Parallel()
	f := newFleet(t, "replay", nil)
	cmd := f.command("rootfsgen", "plan", "--format", "json", "--registry", f.prefix)
	text, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	kept := filepath.Join(t.TempDir(), "plan.json")
	if err := os.WriteFile(kept, text, 0o600); err != nil {
		t.Fatal(err)
	}
	ci := *f
	ci.env = append(slices.Clone(f.env), "CI=true")
	for _, name := range []string{"build/base/arm64", "test/base/arm64"} {
		ci.job(kept, name)
	}

	mine := f.onDesk().job(kept, "build/python/arm64")
	if mine.Action != "built" || mine.Digest == "" {
		t.Fatalf("the desk: %+v", mine)
	}
	if tags, err := registry.New(registry.Options{}).Tags(t.Context(), f.prefix+"/python"); err != nil || len(tags) > 0 {
		t.Errorf("a desk wrote to CI's registry: %v, %v", tags, err)
	}
	theirs := ci.job(kept, "build/python/arm64")
	if theirs.Action != "built" || theirs.Digest != mine.Digest {
		t.Errorf("CI: %+v, the desk: %+v", theirs, mine)
	}
	if again := f.onDesk().job(kept, "build/python/arm64"); again.Action != "reused" || again.Digest != mine.Digest {
		t.Errorf("once more: %+v, at first: %+v", again, mine)
	}
}
