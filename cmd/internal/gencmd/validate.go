package gencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// validateCommand loads everything that a plan is made of, and reports every
// mistake.
func validateCommand(a *app.App) *cobra.Command {
	var o planning.Options
	cmd := &cobra.Command{
		Use: "validate", Short: "Check rootfsgen.yaml, every image, images.lock and scan-policy.yaml",
		Long: `Check rootfsgen.yaml, every image.yaml and Dockerfile, images.lock and scan-policy.yaml: of the work tree on a desk,
of HEAD in CI.
Every mistake of every file is printed, and the exit code is 3.`,
		Example: "  rootfsgen validate\n  rootfsgen validate --diagnostics github",
		Args:    cobra.NoArgs,
		RunE:    func(cmd *cobra.Command, _ []string) error { return runValidate(cmd.Context(), a, o) },
	}
	o.CodeQualityFlag(cmd)
	cmd.Flags().StringVar(&o.To, "to", "", `check this revision, or "worktree" (default: the work tree on a desk, HEAD in CI)`)
	return cmd
}

// verdict is what validate --json prints.
type verdict struct {
	Valid       bool      `json:"valid"`
	Images      int       `json:"images"`
	Targets     int       `json:"targets"`
	Diagnostics diag.List `json:"diagnostics"`
}

func runValidate(ctx context.Context, a *app.App, o planning.Options) (err error) {
	o.Strict = true
	s, err := planning.Load(ctx, a, o)
	if err == nil {
		defer func() { err = errors.Join(err, s.Close()) }()
		// What no pipeline can be made of is a mistake, too.
		_, err = layout(ctx, s, false)
	}
	var mistakes diag.List
	if a.JSON && errors.As(err, &mistakes) {
		return errors.Join(printVerdict(a, verdict{Diagnostics: mistakes}), app.Fail(app.ExitInvalid, nil))
	}
	if err != nil {
		return err
	}
	images, targets := len(s.Now.Fleet.Images), len(s.Now.Keys)
	if a.JSON {
		return printVerdict(a, verdict{Valid: true, Images: images, Targets: targets, Diagnostics: append(diag.List{}, s.Warnings...)})
	}
	if images == 0 {
		a.Log.Warn(planning.NoImages)
	}
	_, err = fmt.Fprintf(a.Out, "%s, %s: ok\n", count(images, "image"), count(targets, "target"))
	return err
}

func printVerdict(a *app.App, v verdict) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}

func count(n int, noun string) string {
	if n == 1 {
		return "1 " + noun
	}
	return fmt.Sprintf("%d %ss", n, noun)
}
