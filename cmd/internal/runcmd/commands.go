// Package runcmd is the command tree of rootfsrun: one file a command.
package runcmd

import "github.com/rootfsgen/rootfsgen/cmd/internal/app"

// Program is rootfsrun.
func Program() app.Program {
	return app.Program{
		Name:    "rootfsrun",
		Short:   "Carry out the steps of a pipeline: build, test, merge, promote",
		Example: "  rootfsrun run\n  rootfsrun run python --parallel 4\n  rootfsrun promote",
		Version: app.Version(),
		Commands: []app.Command{
			runCommand,
			buildCommand,
			testCommand,
			sbomCommand,
			scanCommand,
			gateCommand,
			mergeCommand,
			manifestCommand,
			promoteCommand,
			rollbackCommand,
			withdrawCommand,
			historyCommand,
			diffCommand,
			signCommand,
			attestCommand,
			verifyCommand,
			auditCommand,
			gcCommand,
			servicesCommand,
			toolsCommand,
			ciCommand,
			app.VersionCommand("rootfsrun"),
		},
	}
}
