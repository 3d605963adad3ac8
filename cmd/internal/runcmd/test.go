package runcmd

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

func testCommand(a *app.App) *cobra.Command {
	var o single
	var junit string
	var attach bool
	cmd := &cobra.Command{
		Use: "test [IMAGE...]", Short: "Run the tests of images in the bytes that were built",
		Long: `Run the tests of images in the bytes that were built.

Each test runs in a fresh container of the very digest in the registry: as the
image's own user, with its environment, in its working directory, without a
network. It is run by "bash -lc" where the image has bash, else by "sh -lc"; in
an image without a shell by itself, split at blanks. Tests that have passed on a
digest are not run again. An image whose test failed is not merged. In a job of
GitHub the summary lists what the tests of each image and platform came to.

Tests of an image with needs_device run only where --device says that this
machine has it; else the image is untested, which is no failure, and not merged.`,
		Example: `  rootfsrun test
  rootfsrun test python --platform linux/arm64 --junit junit.xml
  rootfsrun test python --plan plan.json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			var suites suites
			var beside *registry.Client
			o.ended = suites.event
			err := o.carryOut(cmd.Context(), a, args, model.StepTest, func(w *workshop, out io.Writer) step.Target {
				beside = w.registry
				return imagetest.Step{
					Registry: w.registry, BuildKit: w.buildKit, Output: out, Results: suites.add, Devices: o.devices, Job: forge.OriginOf(a.Env).Address, Log: a.Log,
				}.Run
			})
			suites.summarize(a)
			if attach {
				suites.attach(cmd.Context(), a, beside)
			}
			if junit == "" {
				return err
			}
			return errors.Join(err, suites.write(junit))
		},
	}
	o.flags(a, cmd)
	o.devicesFlag(cmd)
	cmd.Flags().StringVar(&junit, "junit", "", "write what ran to this `file`, as JUnit XML")
	cmd.Flags().BoolVar(&attach, "attach", false, "lay what ran beside the image in the registry, for \"rootfsrun ci reports\"")
	return cmd
}

// attach lays what ran beside the images. It is for people to look at: that it
// cannot be written fails nobody's tests.
func (s *suites) attach(ctx context.Context, a *app.App, c *registry.Client) {
	for _, one := range s.all {
		if err := one.Attach(ctx, c); err != nil {
			a.Log.Warn(err.Error())
		}
	}
}

func (s *suites) write(file string) error {
	var b bytes.Buffer
	if err := imagetest.WriteJUnit(&b, s.all); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing the JUnit report: %w", err)
	}
	return nil
}
