package enginetest

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/flock"
)

// Programs is a folder with rootfsgen and rootfsrun, compiled from the source
// as it was when the first test of this test program asked.
func Programs(t testing.TB) string {
	t.Helper()
	root := Root(t)
	shared.programs.Do(func() {
		shared.programsDir, shared.programsErr = os.MkdirTemp("", "rootfsgen-programs-")
		if shared.programsErr == nil {
			// Not the test's context: one that is cut short must not spoil it for the others.
			shared.programsErr = programs(context.Background(), root, shared.programsDir)
		}
	})
	if shared.programsErr != nil {
		t.Fatalf("compiling rootfsgen and rootfsrun: %v", shared.programsErr)
	}
	return shared.programsDir
}

// programs copies both programs to dir from a folder that all test programs
// have in common: linking takes longer than many a test, and Go does it only
// where something has changed.
func programs(ctx context.Context, root, dir string) error {
	common := filepath.Join(root, ".cache", "test-programs")
	if err := os.MkdirAll(common, 0o750); err != nil {
		return err
	}
	unlock, err := flock.Lock(ctx, common+".lock")
	if err != nil {
		return err
	}
	defer unlock()
	cmd := tool.Command{
		Name: "go", Dir: root, Env: []string{"CGO_ENABLED=0"},
		Args: []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", common + "/", "./cmd/rootfsgen", "./cmd/rootfsrun"},
	}
	for _, v := range os.Environ() {
		if strings.HasPrefix(v, "GO") {
			cmd.Env = append(cmd.Env, v)
		}
	}
	if err := cmd.Run(ctx); err != nil {
		return err
	}
	return os.CopyFS(dir, os.DirFS(common))
}
