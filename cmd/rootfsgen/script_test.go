package main

import (
	"context"
	"flag"
	"os"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rootfsgen/rootfsgen/cmd/internal/gencmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/internal/scripttest"
)

var update = flag.Bool("update", false, "write what the programs print into the scripts")

// TestMain makes this test binary the program itself when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"rootfsgen": func() { os.Exit(gencmd.Program().Main(context.Background(), os.Args[1:], term.System())) },
	})
}

// TestScripts runs testdata/script/*.txtar, each in a folder of its own.
// Beside testscript's commands there are
//
//	exits CODE PROGRAM [ARGUMENT...]  runs a program that must end with CODE
//	commit MESSAGE                    commits everything in the current folder, with a fixed time and author
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]scripttest.Command{
			"exits":  scripttest.Exits,
			"commit": scripttest.Commit,
		},
		Setup: func(e *testscript.Env) error {
			scripttest.Setup(e)
			return nil
		},
	})
}
