package plan

import (
	"slices"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestMeans(t *testing.T) {
	t.Parallel()
	nodes := []model.TargetID{
		{Image: "lang", Tag: "3.12"}, {Image: "lang", Tag: "3.13"}, {Image: "lang", Tag: "3.13", Variant: "slim"}, {Image: "language", Tag: "3.13"},
	}
	for name, want := range map[string][]string{
		"lang":           {"lang:3.12", "lang:3.13", "lang:3.13:slim"},
		"lang:3.13":      {"lang:3.13", "lang:3.13:slim"},
		"lang:3.13:":     {"lang:3.13"},
		"lang:3.13:slim": {"lang:3.13:slim"},
		"lang:3.12:":     {"lang:3.12"},
		"lang:":          nil,
	} {
		var got []string
		for _, n := range nodes {
			if Means(name, n) {
				got = append(got, n.Node())
			}
		}
		if !slices.Equal(got, want) {
			t.Errorf("%q means %q, want %q", name, got, want)
		}
	}
}
