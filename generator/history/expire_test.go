package history_test

import (
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/gittest"
)

// TestExpire has old and new objects of uncommitted work, few and many: only
// where there are many the old ones go, and what is still uncommitted can be
// read however old it is.
func TestExpire(t *testing.T) {
	t.Parallel()
	for others, kept := range map[int]bool{3: true, 100: false} {
		r := gittest.New(t)
		r.Commit(map[string]string{"a": "1"})
		r.Write(map[string]string{"b/c": "uncommitted"})
		first, _, err := open(t, r).Worktree(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		objects := open(t, r).ObjectDir()
		for i := range others {
			r.Write(map[string]string{fmt.Sprintf(".cache/objects/17/%038d", i): "of other work"})
		}
		month := time.Now().Add(-30 * 24 * time.Hour)
		err = filepath.WalkDir(objects, func(path string, d fs.DirEntry, err error) error {
			if err != nil || d.IsDir() {
				return err
			}
			return os.Chtimes(path, month, month)
		})
		if err != nil {
			t.Fatal(err)
		}
		r.Write(map[string]string{".cache/objects/17/new": "of new work"})
		second, tree, err := open(t, r).Worktree(t.Context())
		if err != nil || second != first || contents(t, tree)["b/c"] != "uncommitted" {
			t.Errorf("%d: %v, then %v, %v", others, first, second, err)
		}
		for name, want := range map[string]bool{"new": true, fmt.Sprintf("%038d", 0): kept} {
			if _, err := os.Stat(filepath.Join(objects, "17", name)); (err == nil) != want {
				t.Errorf("%d: %s: %v", others, name, err)
			}
		}
	}
}
