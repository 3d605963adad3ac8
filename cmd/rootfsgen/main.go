// Command rootfsgen is described by its --help.
package main

import (
	"context"
	"os"
	"os/signal"
	"syscall"

	"github.com/rootfsgen/rootfsgen/cmd/internal/gencmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	code := gencmd.Program().Main(ctx, os.Args[1:], term.System())
	stop()
	os.Exit(code)
}
