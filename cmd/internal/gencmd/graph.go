package gencmd

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/drawing"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

var graphFormats = []string{"text", "dot", "mermaid", "json"}

type graphOptions struct {
	planning.Options
	format                   string
	up, down, changed, bases bool
}

func graphCommand(a *app.App) *cobra.Command {
	o := &graphOptions{}
	cmd := &cobra.Command{
		Use: "graph [IMAGE[:TAG]...]", Short: "Draw what is built from what",
		Long: `Draw what is built from what. An arrow leads from an image to what is built
from it; platforms that agree are one.

With images, these with all that they are built from and all that is built from
them; --up and --down draw one of the two. The text is a tree in which each
image stands once, below the parent that is ready last, with "+" before what
else it is built from; -v names every image where many are folded.`,
		Example: `  rootfsgen graph
  rootfsgen graph python --up
  rootfsgen graph --changed --from v12
  rootfsgen graph --bases --format dot | dot -Tsvg > fleet.svg
  rootfsgen graph debian-base --down --format mermaid`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE:              func(cmd *cobra.Command, args []string) error { return runGraph(cmd.Context(), a, o, args) },
	}
	o.RevisionFlags(cmd)
	f := cmd.Flags()
	f.StringVar(&o.format, "format", "text", "how it is drawn: "+strings.Join(graphFormats, ", "))
	f.BoolVar(&o.up, "up", false, "only the images and what they are built from")
	f.BoolVar(&o.down, "down", false, "only the images and what is built from them")
	f.BoolVar(&o.changed, "changed", false, "only what changed since --from, marked, and what that is built from")
	f.BoolVar(&o.bases, "bases", false, "also images outside of this fleet")
	app.Values(cmd, "format", graphFormats...)
	return cmd
}

func runGraph(ctx context.Context, a *app.App, o *graphOptions, names []string) (err error) {
	if a.JSON {
		o.format = "json"
	}
	if !slices.Contains(graphFormats, o.format) {
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --format %q: expected %s", o.format, strings.Join(graphFormats, ", ")))
	}
	s, err := planning.Load(ctx, a, o.Options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	d, err := draw(ctx, s, o, names)
	if err != nil {
		return err
	}
	var text string
	switch o.format {
	case "dot":
		text = d.DOT()
	case "mermaid":
		text = d.Mermaid()
	case "json":
		if text, err = d.JSON(); err != nil {
			return err
		}
	default:
		text = d.Text(a.Verbose)
	}
	_, err = fmt.Fprint(a.Out, text)
	return err
}

// draw chooses what is drawn.
func draw(ctx context.Context, s *planning.Session, o *graphOptions, names []string) (*drawing.Drawing, error) {
	options := drawing.Options{Bases: o.bases}
	if len(names) > 0 {
		targets, err := s.Targets(names, "")
		if err != nil {
			return nil, err
		}
		options.Only = around(s, targets, o)
	}
	if o.changed {
		if err := s.Compare(ctx); err != nil {
			return nil, err
		}
		options.Changed = map[model.TargetID]bool{}
		for t, k := range s.Now.Keys {
			if s.Then == nil || s.Then.Keys[t] == nil || s.Then.Keys[t].Digest != k.Digest {
				options.Changed[t.AllPlatforms()] = true
			}
		}
		options.Only = withParents(s, options)
	}
	return drawing.New(s.Now.Graph, options), nil
}

// withParents are the nodes that changed, of those that are wanted, and what
// they are built from: so they do not hang in the air.
func withParents(s *planning.Session, o drawing.Options) map[model.TargetID]bool {
	only := map[model.TargetID]bool{}
	for _, t := range s.Now.Graph.Targets() {
		node := t.AllPlatforms()
		if !o.Changed[node] || o.Only != nil && !o.Only[node] {
			continue
		}
		only[node] = true
		if n, found := s.Now.Graph.Node(t); found {
			for _, e := range n.Parents {
				only[e.To.AllPlatforms()] = true
			}
		}
	}
	return only
}

// around are the nodes of the targets, of their ancestors and of their
// dependants, as far as these are wanted.
func around(s *planning.Session, targets []model.TargetID, o *graphOptions) map[model.TargetID]bool {
	nodes := map[model.TargetID]bool{}
	if o.down || !o.up {
		of := map[model.TargetID]bool{}
		for _, t := range targets {
			of[t] = true
		}
		for t := range s.Now.Graph.Dependants(of) {
			nodes[t.AllPlatforms()] = true
		}
	}
	if o.up || !o.down {
		seen := map[model.TargetID]bool{}
		for queue := slices.Clone(targets); len(queue) > 0; queue = queue[1:] {
			t := queue[0]
			n, found := s.Now.Graph.Node(t)
			if !found || seen[t] {
				continue
			}
			seen[t] = true
			nodes[t.AllPlatforms()] = true
			for _, e := range n.Parents {
				queue = append(queue, e.To)
			}
		}
	}
	return nodes
}
