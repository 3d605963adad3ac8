package index_test

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/artifact"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

func TestReportOfWhatWasMergedBefore(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	p := python(s, "a")
	dir := filepath.Join(t.TempDir(), "build-artifacts")
	report := func() []byte {
		t.Helper()
		if err := (index.Step{Registry: client(), Artifacts: dir}).Report(t.Context(), p, &p.Indexes[0]); err != nil {
			t.Fatal(err)
		}
		b, err := os.ReadFile(filepath.Join(dir, "python.json"))
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			t.Fatal(err)
		}
		return b
	}
	if b := report(); b != nil {
		t.Errorf("reported before it is there: %s", b)
	}
	plantest.All(t, client(), p)
	r, err := index.Step{Registry: client(), Artifacts: dir}.Run(t.Context(), p, &p.Indexes[0])
	if err != nil {
		t.Fatal(err)
	}
	want := report()
	if err := os.RemoveAll(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), string(report())); diff != "" || !artifact.Index(dir, "python", p.Prefix+"/python:"+r.VersionTag, r.Digest) {
		t.Errorf("written anew: %s", diff)
	}
}
