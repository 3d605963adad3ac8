package locking

import (
	"errors"
	"maps"
	"path/filepath"
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
)

type coder interface {
	error
	ExitCode() int
}

func asCoded(err error) (coder, bool) {
	var c coder
	ok := errors.As(err, &c)
	return c, ok
}

// An archive that has moved on: a desk goes by what is there now, CI fails and
// says what to run. The archive is Debian's own, and the lock an old one.
func TestArchiveMovesOn(t *testing.T) {
	t.Parallel()
	cache, err := filepath.Abs("../../../.cache/debian")
	if err != nil {
		t.Fatal(err)
	}
	fleet, g := load(t, map[string]string{
		"images/base/image.yaml":  "builder: debian\nsuite: bookworm\nvariant: essential\n",
		"images/child/Dockerfile": "FROM base\n",
	})
	l := Locker{Cache: cache}
	lock, list, err := l.Lock(t.Context(), fleet, g, model.Lock{})
	if err != nil || list.HasErrors() {
		t.Fatal(err, list)
	}
	if diff := cmp.Diff([]string{"base linux/amd64", "base linux/arm64"}, sortedTargets(lock)); diff != "" {
		t.Errorf("locked targets (-want +got):\n%s", diff)
	}
	image := &fleet.Tags("base")[0]
	root := t.TempDir()
	committed := source.FormatLock(lock)
	desk := Refresher{Root: root, Cache: cache, Committed: committed, Desk: true}
	fleet.Lock = lock
	if moved, err := desk.Refresh(t.Context(), fleet, image.Targets()); len(moved) != 0 || err != nil {
		t.Fatalf("nothing has moved, but: %v, %v", moved, err)
	}
	today := lock.Debian["bookworm"].Images["base linux/arm64"]
	old := maps.Clone(today)
	old["bash"] = "1.14-1"
	fleet.Lock = model.Lock{Debian: map[string]model.LockedSuite{"bookworm": {InRelease: model.DigestOf(nil), Images: map[string]map[string]string{
		"base linux/amd64": lock.Debian["bookworm"].Images["base linux/amd64"], "base linux/arm64": old,
	}}}}
	moved, err := desk.Refresh(t.Context(), fleet, image.Targets())
	if err != nil || len(moved) != 1 || moved[0].Target.Platform != model.LinuxARM64 {
		t.Fatalf("bash has moved for arm64, but: %v, %v", moved, err)
	}
	if diff := cmp.Diff([]debian.Difference{{Package: "bash", Locked: "1.14-1", Archive: today["bash"]}}, moved[0].Err.Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	b, err := ReadLocal(root, committed)
	if err != nil {
		t.Fatal(err)
	}
	local, _ := source.ParseLock(b, source.LocalLockFile)
	if diff := cmp.Diff(map[string]map[string]string{"base linux/arm64": today}, local.Debian["bookworm"].Images); diff != "" {
		t.Errorf("local lock (-want +got):\n%s", diff)
	}
	_, err = Refresher{Root: root, Cache: cache, Committed: committed}.Refresh(t.Context(), fleet, image.Targets())
	if _, ok := errors.AsType[*debian.ArchiveMovedError](err); !ok {
		t.Errorf("in CI: %v", err)
	}
}

func sortedTargets(lock model.Lock) []string {
	return slices.Sorted(maps.Keys(lock.Debian["bookworm"].Images))
}
