package key

import (
	"maps"
	"path"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// refreshArchive is the value of refresh: that makes the state of the Debian
// archive an input of a Dockerfile's image.
const refreshArchive = "archive"

// debian is what a target takes from the Debian archive: the version of each
// package, or the state of the whole suite. What is not locked is reported
// with the graph.
func (c *computer) debian(n *graph.Node) []Line {
	suite := n.Image.Debian.Suite
	switch {
	case n.Image.Builder == model.BuilderDebian:
		packages := c.fleet.Lock.DebianPackages(suite, n.ID)
		var out []Line
		for _, name := range slices.Sorted(maps.Keys(packages)) {
			out = append(out, Line{Kind: LineBase, Name: name, Value: packages[name]})
		}
		return out
	case n.Image.Refresh == refreshArchive:
		return []Line{{Kind: LineBase, Name: "debian " + suite, Value: c.fleet.Lock.Debian[suite].InRelease.String()}}
	}
	return nil
}

// recipe is how a target's bytes are made, as the builder needs it.
func (c *computer) recipe(n *graph.Node) model.Recipe {
	i := n.Image
	r := model.Recipe{Builder: i.Builder, TimeoutSeconds: i.TimeoutSeconds}
	if i.Builder == model.BuilderDebian {
		debian := i.Debian
		debian.Packages = sortedPackages(debian.Packages)
		r.Debian = &debian
		r.Packages = maps.Clone(c.fleet.Lock.DebianPackages(i.Debian.Suite, n.ID))
		return r
	}
	if n.Source.OID != "" {
		r.Dockerfile = &n.Source
	}
	r.Context, r.Stage, r.Files, r.Secrets = path.Clean(i.Context), i.Stage, n.Files, i.Secrets
	switch {
	case n.Resolved == nil || len(n.Resolved.Args)+len(n.Resolved.Spare) == 0:
	case len(n.Resolved.Spare) == 0:
		r.Args = n.Resolved.Args
	default:
		r.Args = maps.Clone(n.Resolved.Spare)
		maps.Copy(r.Args, n.Resolved.Args) // of which there may be none
	}
	if n.Syntax != nil && n.Syntax.Locked {
		r.Syntax = n.Syntax.Repository + "@" + n.Syntax.Digest.String()
	}
	contexts(n, &r)
	return r
}
