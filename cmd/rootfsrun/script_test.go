package main

import (
	"context"
	"flag"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	"github.com/google/go-containerregistry/pkg/v1/tarball"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/rootfsgen/rootfsgen/cmd/internal/runcmd"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/internal/scripttest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

var update = flag.Bool("update", false, "write what the program prints into the scripts")

// TestMain makes this test binary the program itself when a script calls it.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){
		"rootfsrun": func() { os.Exit(runcmd.Program().Main(context.Background(), os.Args[1:], term.System())) },
	})
}

// TestScripts runs testdata/script/*.txtar, each in a folder and with a
// registry of its own, whose address is $REGISTRY; what "make tools" compiles is in
// $TOOLS. Beside testscript's commands there are
//
//	exits CODE PROGRAM [ARGUMENT...]  runs a program that must end with CODE
//	plan FILE IMAGE[=CONTENT]...      writes a plan of images for both platforms, for the newest commit if there is one
//	github                            starts a GitHub that has run 7, of which one job was lost and one failed, and pretends to be a job of it
//	publish FILE [build|test]         does what builds, or builds and tests, of a plan leave in the registry
//	debian PLAN TAR                   pushes a Debian with two packages as every target of a plan, and writes it to a file
func TestScripts(t *testing.T) {
	t.Parallel()
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		UpdateScripts:       *update,
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		Cmds: map[string]scripttest.Command{
			"exits":   scripttest.Exits,
			"plan":    writePlan,
			"github":  func(ts *testscript.TestScript, _ bool, _ []string) { lostRun(t, ts) },
			"publish": func(ts *testscript.TestScript, _ bool, args []string) { publish(t, ts, args) },
			"debian":  func(ts *testscript.TestScript, _ bool, args []string) { debian(t, ts, args) },
		},
		Setup: func(e *testscript.Env) error {
			e.Setenv("REGISTRY", registrytest.New(t).Host())
			e.Setenv("TOOLS", enginetest.Bin(t))
			scripttest.Setup(e)
			return nil
		},
	})
}

func writePlan(ts *testscript.TestScript, neg bool, args []string) {
	if neg || len(args) < 2 {
		ts.Fatalf("usage: plan FILE IMAGE[=CONTENT]...")
	}
	var images []plantest.Image
	for _, a := range args[1:] {
		id, content, _ := strings.Cut(a, "=")
		images = append(images, plantest.Image{ID: id, Content: content, Priority: len(id)})
	}
	p := plantest.Plan(ts.Getenv("REGISTRY")+"/testing", '1', images...)
	if err := ts.Exec("git", "rev-parse", "--verify", "-q", "HEAD"); err == nil {
		p.To.Commit = ts.ReadFile("stdout")[:40]
	}
	b, err := plan.Encode(p)
	ts.Check(err)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// publish fails t, of which the scripts are parts.
func publish(t *testing.T, ts *testscript.TestScript, args []string) {
	if len(args) == 0 {
		ts.Fatalf("usage: publish FILE [build|test]")
	}
	p, err := plan.Decode([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	c := registry.New(registry.Options{})
	for n := range p.Entries {
		e := &p.Entries[n]
		digest := plantest.Build(t, c, p, e)
		if !slices.Contains(args[1:], model.StepBuild) {
			plantest.Test(t, c, p, e, digest)
		}
	}
}

func debian(t *testing.T, ts *testscript.TestScript, args []string) {
	if len(args) != 2 {
		ts.Fatalf("usage: debian PLAN TAR")
	}
	p, err := plan.Decode([]byte(ts.ReadFile(args[0])))
	ts.Check(err)
	image := enginetest.Image(t, enginetest.Debian12(map[string]string{"bash": "5.2.15-2+b7", "openssl": "3.0.1-1"}))
	ts.Check(tarball.WriteToFile(ts.MkAbs(args[1]), name.MustParseReference("example.com/debian:12"), image))
	c := registry.New(registry.Options{})
	for n := range p.Entries {
		e := &p.Entries[n]
		repo := p.Prefix + "/" + e.Repository
		digest, err := c.PushImage(t.Context(), repo, image)
		ts.Check(err)
		ts.Check(c.MoveTag(t.Context(), repo, digest, model.ContentTag(e.Key, e.Generation)))
	}
}
