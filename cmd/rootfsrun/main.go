// Command rootfsrun is described by its --help.
package main

import (
	"context"
	"os"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/runcmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
)

func main() {
	ctx, stop := app.UntilSignal(context.Background())
	code := runcmd.Program().Main(ctx, os.Args[1:], term.System())
	stop()
	os.Exit(code)
}
