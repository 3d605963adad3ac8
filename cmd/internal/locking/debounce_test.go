package locking

import (
	"strings"
	"testing"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/mutate"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestFreshBasesAreHeldBack moves a base and asks at several times.
func TestFreshBasesAreHeldBack(t *testing.T) {
	t.Parallel()
	noon := time.Date(2026, 11, 21, 12, 0, 0, 0, time.UTC)
	for name, c := range map[string]struct {
		made, now time.Time
		debounce  time.Duration
		named     bool
		held      bool
	}{
		"too fresh":       {made: noon, now: noon.Add(23 * time.Hour), debounce: 24 * time.Hour, held: true},
		"old enough":      {made: noon, now: noon.Add(24 * time.Hour), debounce: 24 * time.Hour},
		"at once":         {made: noon, now: noon},
		"it says no time": {now: noon, debounce: 24 * time.Hour},
		"named":           {made: noon, now: noon, debounce: 24 * time.Hour, named: true},
		"from tomorrow":   {made: noon.Add(24 * time.Hour), now: noon, debounce: time.Hour, held: true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := registrytest.New(t)
			base := s.Prefix("base")
			fleet, g := load(t, map[string]string{"images/child/Dockerfile": "FROM " + base + ":1\n", "images/child/image.yaml": "arch: amd64\n"})
			pushMade(t, base, noon.Add(-1000*time.Hour))
			l := locker(t, true)
			l.Debounce, l.Now = c.debounce, c.now
			if c.named {
				l.Only = func(ref string, _ model.TargetID) bool { return ref == base+":1" }
			}
			first, list, err := l.Lock(t.Context(), fleet, g, model.Lock{})
			if err != nil || len(list) > 0 || len(first.Bases) != 1 {
				t.Fatal("what is not locked yet is taken at once: ", first, list, err)
			}
			pushMade(t, base, c.made)
			now, list, err := l.Lock(t.Context(), fleet, g, first)
			if err != nil || list.HasErrors() {
				t.Fatal(list, err)
			}
			if held := len(Changes(first, now)) == 0; held != c.held {
				t.Errorf("held back: %v", held)
			}
			if said := len(list) == 1 && list[0].Rule == RuleBaseFresh && strings.Contains(list[0].Message, "held back until"); said != c.held {
				t.Errorf("it says %v", list)
			}
		})
	}
}

// pushMade pushes an image that says when it was made.
func pushMade(t *testing.T, repo string, made time.Time) {
	t.Helper()
	c := registry.New(registry.Options{})
	img, err := mutate.ConfigFile(empty.Image, &v1.ConfigFile{OS: "linux", Architecture: "amd64", Created: v1.Time{Time: made}, RootFS: v1.RootFS{Type: "layers"}})
	if err != nil {
		t.Fatal(err)
	}
	d, err := c.PushImage(t.Context(), repo, img)
	if err == nil {
		err = c.MoveTag(t.Context(), repo, d, "1")
	}
	if err != nil {
		t.Fatal(err)
	}
}
