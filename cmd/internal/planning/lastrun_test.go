package planning_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestSinceTheLastRun is a repository without a release: what a desk changed
// since its last run is named, whether it is committed or not.
func TestSinceTheLastRun(t *testing.T) {
	t.Parallel()
	r := gittest.New(t)
	r.Commit(files("1"))
	desk := frame(r.Dir, nil)
	first, err := planOf(t.Context(), desk, planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	if first.From != nil || first.Entries[0].Reasons[0].Kind != model.ReasonNew {
		t.Errorf("before any run: from %v, %v", first.From, first.Entries[0].Reasons)
	}
	r.Write(map[string]string{"images/base/motd": "2"})
	s, err := planning.Load(t.Context(), desk, planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	if err := planning.Remember(desk, s.Now.Revision); err != nil {
		t.Fatal(err)
	}
	if err := s.Close(); err != nil {
		t.Fatal(err)
	}
	r.Write(map[string]string{"images/base/motd": "3"})
	for _, when := range []string{"uncommitted", "committed"} {
		p, err := planOf(t.Context(), desk, planning.Options{State: planning.StateOff})
		if err != nil {
			t.Fatal(err)
		}
		reasons := p.Entries[0].Reasons
		if p.From == nil || len(reasons) != 1 || reasons[0].Kind != model.ReasonFile || reasons[0].Path != "images/base/motd" {
			t.Errorf("%s: from %v, %v", when, p.From, reasons)
		}
		if !slices.ContainsFunc(p.Notes, func(n string) bool { return strings.Contains(n, planning.LastRunRef) }) {
			t.Errorf("%s: nothing says what it was compared with: %q", when, p.Notes)
		}
		r.Commit(map[string]string{})
	}
	p, err := planOf(t.Context(), frame(r.Dir, map[string]string{"CI": "true"}), planning.Options{State: planning.StateOff})
	if err != nil {
		t.Fatal(err)
	}
	if p.From != nil {
		t.Errorf("CI compares with a desk's run: %v", p.From)
	}
	for _, torn := range []string{"", "{", `{"tree":"--help"}`, `{"tree":"` + strings.Repeat("0", 40) + `"}`} {
		if err := os.WriteFile(filepath.Join(r.Dir, ".cache", "last-run.json"), []byte(torn), 0o600); err != nil {
			t.Fatal(err)
		}
		if p, err = planOf(t.Context(), desk, planning.Options{State: planning.StateOff}); err != nil || p.From != nil {
			t.Errorf("%q: from %v, %v", torn, p.From, err)
		}
	}
}
