// Package gencmd is the command tree of rootfsgen: one file a command.
package gencmd

import "github.com/rootfsgen/rootfsgen/cmd/internal/app"

// Program is rootfsgen.
func Program() app.Program {
	return app.Program{
		Name:    "rootfsgen",
		Short:   "Turn a folder of images into CI pipelines",
		Example: "  rootfsgen init\n  rootfsgen validate\n  rootfsgen plan\n  rootfsgen generate",
		Version: app.Version(),
		Brief:   true,
		Commands: []app.Command{
			initCommand,
			validateCommand,
			planCommand,
			whyCommand,
			keyCommand,
			graphCommand,
			generateCommand,
			runCommand, runnersCommand, simulateCommand,
			ciOutputsCommand,
			lockCommand,
			doctorCommand,
			schemaCommand,
			app.VersionCommand("rootfsgen"),
		},
	}
}
