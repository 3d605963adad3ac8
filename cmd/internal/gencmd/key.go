package gencmd

import (
	"encoding/json"
	"errors"
	"fmt"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

func keyCommand(a *app.App) *cobra.Command {
	var o planning.Options
	var platform string
	var explain bool
	cmd := &cobra.Command{
		Use: "key [IMAGE...]", Short: "Print what identifies an image's bytes",
		Long: `Print what identifies an image's bytes: one key for each platform.

A key is the SHA-256 of everything that can change the bytes. --explain prints
exactly that text.`,
		Example: `  rootfsgen key python
  rootfsgen key python --platform linux/arm64 --explain
  rootfsgen key python --to v12`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) (err error) {
			s, err := planning.Load(cmd.Context(), a, o)
			if err != nil {
				return err
			}
			defer func() { err = errors.Join(err, s.Close()) }()
			targets, err := s.Targets(args, platform)
			if err != nil {
				return err
			}
			return printKeys(a, s, targets, explain)
		},
	}
	cmd.Flags().StringVar(&o.To, "to", "", `of this revision, or "worktree" (default: the work tree on a desk, HEAD in CI)`)
	cmd.Flags().StringVar(&platform, "platform", "", "only this one, for example linux/arm64")
	cmd.Flags().BoolVar(&explain, "explain", false, "print the text that the key is the SHA-256 of")
	planning.CompletePlatforms(cmd)
	return cmd
}

// keyJSON is one target of `key --json`.
type keyJSON struct {
	Image    string         `json:"image"`
	Tag      string         `json:"tag"`
	Variant  string         `json:"variant"`
	Platform model.Platform `json:"platform"`
	Key      model.Digest   `json:"key"`
	TestsKey model.Digest   `json:"tests_key"`
	Form     string         `json:"form,omitempty"` // with --explain
}

func printKeys(a *app.App, s *planning.Session, targets []model.TargetID, explain bool) error {
	if a.JSON {
		out := []keyJSON{}
		for _, t := range targets {
			k := s.Now.Keys[t]
			j := keyJSON{Image: t.Image, Tag: t.Tag, Variant: t.Variant, Platform: t.Platform, Key: k.Digest, TestsKey: k.TestsKey}
			if explain {
				j.Form = k.Form.String()
			}
			out = append(out, j)
		}
		return printJSON(a, out)
	}
	if explain {
		for i, t := range targets {
			if len(targets) > 1 {
				if i > 0 {
					fmt.Fprintln(a.Out)
				}
				fmt.Fprintf(a.Out, "# %s %s\n", t, s.Now.Keys[t].Digest)
			}
			if _, err := fmt.Fprint(a.Out, s.Now.Keys[t].Form.String()); err != nil {
				return err
			}
		}
		return nil
	}
	table := term.NewTable("IMAGE", "PLATFORM", "KEY")
	for _, t := range targets {
		table.Row(t.Node(), t.Platform.String(), s.Now.Keys[t].Digest.String())
	}
	return table.Write(a.Out, a.OutTTY)
}

func printJSON(a *app.App, v any) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
