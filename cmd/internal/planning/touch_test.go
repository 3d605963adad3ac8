package planning

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TestTouched says which edits concern an image whose context lies outside its
// folder: what it reads, and what says which of that is left out.
func TestTouched(t *testing.T) {
	t.Parallel()
	node := &graph.Node{
		Image: &model.Image{
			Dir: "images/a", Dockerfile: "docker/a.Dockerfile", Context: "shared", Inputs: []string{"certificates"},
			Contexts: map[string]string{"tools": "/tools", "base": "debian:13"},
		},
		Resolved: &dockerfile.Resolved{Reads: []dockerfile.Read{
			{Source: "etc"}, {Source: "conf/*.ini"}, {Source: "one.txt"}, {From: "tools", Folder: "tools", Source: "fmt"},
		}},
		Source: model.TreeEntry{Path: "docker/real.Dockerfile"},
	}
	for path, want := range map[string]bool{
		"images/a/README.md":               true, // another build file can come into its folder
		"images/b/README.md":               false,
		"docker/a.Dockerfile":              true,
		"docker/a.Dockerfile.dockerignore": true,
		"docker/real.Dockerfile":           true,
		"docker/b.Dockerfile":              false,
		"shared/.dockerignore":             true,
		"shared/conf/.dockerignore":        true, // as a file that the pattern may mean
		"shared/other/.dockerignore":       false,
		".dockerignore":                    false,
		"shared/etc/motd":                  true,
		"shared/etc":                       true, // a file now, or no longer
		"shared/etcetera":                  false,
		"shared/conf/x.ini":                true,
		"shared/conf2/x.ini":               false,
		"shared/one.txt":                   true,
		"shared/one.txt.bak":               false,
		"shared":                           true,
		"certificates/ca.pem":              true,
		"tools/fmt":                        true,
		"tools/any":                        true,
		"debian:13":                        false,
	} {
		changes := []history.Change{{Path: path, New: model.TreeEntry{Path: path, Mode: model.ModeFile}}}
		if got := newTouch(changes).node(node); got != want {
			t.Errorf("%s: touched %t, want %t", path, got, want)
		}
	}
}

// TestTouchedWhole says the same of an image that may read all of its context.
func TestTouchedWhole(t *testing.T) {
	t.Parallel()
	node := &graph.Node{Image: &model.Image{Dir: "images/a", Dockerfile: "images/a/Dockerfile", Context: "shared"}, Resolved: &dockerfile.Resolved{Whole: true}}
	for path, want := range map[string]bool{"shared/any": true, "any": false} {
		if got := newTouch([]history.Change{{Path: path}}).node(node); got != want {
			t.Errorf("%s: touched %t, want %t", path, got, want)
		}
	}
}
