package runcmd

import (
	"encoding/json"
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/index"
	"github.com/rootfsgen/rootfsgen/runtime/step"
	"github.com/rootfsgen/rootfsgen/runtime/walk"
)

// artifacts is the folder for what steps say about what they made.
const artifacts = "build-artifacts"

func mergeCommand(a *app.App) *cobra.Command {
	var from given
	cmd := &cobra.Command{
		Use: "merge [IMAGE...]", Short: "Join the platforms of an image in one index, under its version tag",
		Long: `Join the platforms of an image in one index, under its version tag.

All platforms of an image are merged, or none: each must be built and have
passed its tests, which the receipts in the registry must say of exactly these
bytes. The first free of VERSION, VERSION.1, VERSION.2... is taken, and never
moves again; platforms that were merged before keep the version they have.`,
		Example:           "  rootfsrun merge --plan plan.json\n  rootfsrun merge python",
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			p, err := from.load(cmd.Context(), a, args)
			if err != nil {
				return err
			}
			if err := published(p); err != nil {
				return err
			}
			wanted, err := indexes(p, args)
			if err != nil {
				return err
			}
			root, err := a.Root()
			if err != nil {
				return err
			}
			s := index.Step{Registry: registryOf(a, p), Artifacts: filepath.Join(root, artifacts)}
			merge := step.ForIndex(model.StepMerge, a.Log, s.Run)
			called := p.Called()
			var done []merged
			var failed walk.Failure
			for _, i := range wanted {
				r, err := merge(cmd.Context(), p, i)
				reason, skipped := step.Skipped(err)
				if err != nil && !skipped {
					if cmd.Context().Err() != nil {
						return err
					}
					failed.Errs = append(failed.Errs, err)
					continue
				}
				done = append(done, merged{Image: called(i.ID()), Ref: p.Prefix + "/" + i.Repository + ":" + r.VersionTag, Tag: r.VersionTag, Digest: r.Digest, New: !skipped, Note: reason})
			}
			if err := printMerged(a, done); err != nil {
				return err
			}
			return mergeFailure(a, failed)
		},
	}
	from.flags(a, cmd)
	return cmd
}

// mergeFailure says of each image why it was not merged.
func mergeFailure(a *app.App, f walk.Failure) error {
	switch len(f.Errs) {
	case 0:
		return nil
	case 1:
		return f.Errs[0]
	}
	for _, err := range f.Errs {
		a.Log.Error(err.Error())
	}
	return app.Fail(f.ExitCode(), fmt.Errorf("%d images are not merged", len(f.Errs)))
}

// merged is an index as the command prints it.
type merged struct {
	Image  string       `json:"image"`
	Ref    string       `json:"ref"`
	Tag    string       `json:"tag"`
	Digest model.Digest `json:"digest"`
	New    bool         `json:"new"`            // this run published it
	Note   string       `json:"note,omitempty"` // why not
}

func printMerged(a *app.App, done []merged) error {
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(append([]merged{}, done...))
	}
	t := term.NewTable("IMAGE", "REFERENCE", "DIGEST")
	for _, m := range done {
		t.Row(m.Image, m.Ref, digestFor(a, m.Digest))
		if strings.HasPrefix(m.Note, index.Unchanged) && !a.Quiet {
			fmt.Fprintf(a.Err, "%s: %s\n", m.Image, m.Note)
		}
	}
	if len(done) == 0 {
		return nil
	}
	return t.Write(a.Out, a.OutTTY)
}

// digestFor is short for a person and whole for a program.
func digestFor(a *app.App, d model.Digest) string {
	if a.OutTTY && d != "" {
		return fmt.Sprintf("sha256:%s", d.Short())
	}
	return d.String()
}

func sortedKeys(m map[string]bool) []string { return slices.Sorted(maps.Keys(m)) }
