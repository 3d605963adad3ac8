package enginetest

import (
	"context"
	"os"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// Programs is a folder with rootfsgen and rootfsrun, compiled from the source
// as it is now, once for each test program.
func Programs(t testing.TB) string {
	t.Helper()
	root := Root(t)
	shared.programs.Do(func() {
		shared.programsDir, shared.programsErr = os.MkdirTemp("", "rootfsgen-programs-")
		if shared.programsErr != nil {
			return
		}
		cmd := tool.Command{
			Name: "go", Dir: root, Env: []string{"CGO_ENABLED=0"},
			Args: []string{"build", "-trimpath", "-ldflags", "-s -w", "-o", shared.programsDir + "/", "./cmd/rootfsgen", "./cmd/rootfsrun"},
		}
		for _, v := range os.Environ() {
			if strings.HasPrefix(v, "GO") {
				cmd.Env = append(cmd.Env, v)
			}
		}
		shared.programsErr = cmd.Run(context.Background()) // a test that is cut short must not spoil it for the others
	})
	if shared.programsErr != nil {
		t.Fatalf("compiling rootfsgen and rootfsrun: %v", shared.programsErr)
	}
	return shared.programsDir
}
