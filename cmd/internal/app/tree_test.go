package app_test

import (
	"strings"
	"testing"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/gencmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/runcmd"
)

// TestEveryCommandHasAnExample walks both programs. What cobra brings itself
// is not in the trees before they are run.
func TestEveryCommandHasAnExample(t *testing.T) {
	t.Parallel()
	for _, p := range []app.Program{gencmd.Program(), runcmd.Program()} {
		seen := 0
		var walk func(*cobra.Command)
		walk = func(cmd *cobra.Command) {
			seen++
			path := strings.Fields(cmd.CommandPath())
			if !strings.Contains(cmd.Example, "  "+path[0]+" ") && !strings.Contains(cmd.Example, " "+cmd.CommandPath()) {
				t.Errorf("%s has no example of a call: %q", cmd.CommandPath(), cmd.Example)
			}
			if cmd.Short == "" {
				t.Errorf("%s does not say what it does", cmd.CommandPath())
			}
			for _, sub := range cmd.Commands() {
				walk(sub)
			}
		}
		walk(p.Root(&app.App{}))
		if seen < len(p.Commands) {
			t.Errorf("%s: walked %d commands", p.Name, seen)
		}
	}
}
