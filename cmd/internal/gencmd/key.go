package gencmd

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/key"
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
exactly that text, one line for each thing that counts; on a terminal, and with
-v, with a comment before each group of lines that says what they are and where
they come from.`,
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
	o.DetectFlag(cmd)
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
	Form     string         `json:"form,omitempty"`   // with --explain: the text
	Groups   []groupJSON    `json:"groups,omitempty"` // with --explain: the same by kind
}

// groupJSON is the lines of a form that are of one kind.
type groupJSON struct {
	Kind  string     `json:"kind"`
	About string     `json:"about"`
	Lines []lineJSON `json:"lines"`
}

type lineJSON struct {
	Name  string `json:"name"`
	Value string `json:"value"`
	Path  string `json:"path,omitempty"` // in the tree
}

func groupsJSON(f key.Form) []groupJSON {
	var out []groupJSON
	for _, g := range f.Groups() {
		j := groupJSON{Kind: g.Kind, About: g.About}
		for _, l := range g.Lines {
			j.Lines = append(j.Lines, lineJSON{Name: l.Name, Value: l.Value, Path: l.Path})
		}
		out = append(out, j)
	}
	return out
}

func printKeys(a *app.App, s *planning.Session, targets []model.TargetID, explain bool) error {
	if a.JSON {
		out := []keyJSON{}
		for _, t := range targets {
			k := s.Now.Keys[t]
			j := keyJSON{Image: t.Image, Tag: t.Tag, Variant: t.Variant, Platform: t.Platform, Key: k.Digest, TestsKey: k.TestsKey}
			if explain {
				j.Form, j.Groups = k.Form().String(), groupsJSON(k.Form())
			}
			out = append(out, j)
		}
		return printJSON(a, out)
	}
	if explain {
		return explainKeys(a, s, targets)
	}
	table := term.NewTable("IMAGE", "PLATFORM", "KEY")
	for _, t := range targets {
		table.Row(t.Node(), t.Platform.String(), s.Now.Keys[t].Digest.String())
	}
	return table.Write(a.Out, a.OutTTY)
}

// explainKeys prints the texts of keys. One alone, for a program, is nothing
// but the text: its SHA-256 is the key.
func explainKeys(a *app.App, s *planning.Session, targets []model.TargetID) error {
	comments := a.OutTTY || a.Verbose
	for i, t := range targets {
		k := s.Now.Keys[t]
		if i > 0 {
			fmt.Fprintln(a.Out)
		}
		if comments || len(targets) > 1 {
			fmt.Fprintf(a.Out, "# %s %s\n", t, k.Digest)
		}
		text := k.Form().String()
		if comments {
			text = commented(k.Form())
		}
		if _, err := fmt.Fprint(a.Out, text); err != nil {
			return err
		}
	}
	return nil
}

// commented is a form for people.
func commented(f key.Form) string {
	var b strings.Builder
	for _, g := range f.Groups() {
		fmt.Fprintf(&b, "\n# %s\n", g.About)
		if path := g.Lines[0].Path; g.Kind == key.LineInstruction && path != "" {
			fmt.Fprintf(&b, "# From %s.\n", path)
		}
		for _, l := range g.Lines {
			b.WriteString(l.Shown() + "\n")
		}
	}
	return b.String()
}

func printJSON(a *app.App, v any) error {
	e := json.NewEncoder(a.Out)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	return e.Encode(v)
}
