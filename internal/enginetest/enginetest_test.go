package enginetest_test

import (
	"os"
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/buildkit"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

// TestEngines builds nothing yet: it shows that both engines answer, that they
// keep to their own folder, and that both platforms can run here.
func TestEngines(t *testing.T) {
	s := enginetest.Services(t)
	if again := enginetest.Services(t); again != s {
		t.Errorf("a second call gave other engines: %v and %v", s, again)
	}
	if entries, err := os.ReadDir(enginetest.Dir()); err != nil || len(entries) == 0 {
		t.Errorf("nothing in %s: %v", enginetest.Dir(), err)
	}
	if filepath.Dir(enginetest.Bin(t)) != filepath.Join(enginetest.Root(t), ".cache") {
		t.Errorf("Bin is %s", enginetest.Bin(t))
	}
	c, err := buildkit.Dial(t.Context(), s.BuildkitAddr)
	if err != nil {
		t.Fatal(err)
	}
	defer c.Close()
	for _, p := range []model.Platform{model.LinuxAMD64, model.LinuxARM64} {
		if !c.CanRun(p) {
			t.Errorf("the local buildkitd cannot run %s", p)
		}
	}
}

func TestBusybox(t *testing.T) {
	ref := enginetest.Busybox(t)
	repo, tag := ref[:len(ref)-len(":1.35")], ref[len(ref)-len("1.35"):]
	c := registry.New(registry.Options{})
	first, found, err := c.Resolve(t.Context(), repo, tag)
	if err != nil || !found || !first.IsIndex() {
		t.Fatalf("resolving %s: %+v, %v, %v", ref, first, found, err)
	}
}
