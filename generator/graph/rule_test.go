package graph

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestFillStaysInTheTree: whatever a reference is, what a rule makes of it is
// no path out of the repository.
func TestFillStaysInTheTree(t *testing.T) {
	t.Parallel()
	match, err := source.CompileMatch(`(?P<a>.*):(?P<b>.*)`)
	if err != nil {
		t.Fatal(err)
	}
	r := rule{model.Reference{Map: map[string]map[string]string{"a": {"up": "..", "root": "/etc", "none": ""}}}, match}
	for _, tt := range []struct{ template, ref, want string }{
		{"x/{a}/{b}", "up:1", ""},
		{"x/{a}/{b}", "y:..", ""},
		{"{a}/{b}", "root:1", ""},
		{"x/{a}", "none:1", ""},
		{"x{a}", "none:1", "x"},
		{"x/{a}-{b}", "a/b:1", "x/a/b-1"},
		{"./{a}", "q:1", "q"},
		{"{b}", "q:", ""},
	} {
		groups := match.FindStringSubmatch(tt.ref)
		got, ok := fill(r, tt.template, groups)
		if got != tt.want || ok != (tt.want != "") || strings.HasPrefix(got, "..") {
			t.Errorf("%s of %s is %q, want %q", tt.template, tt.ref, got, tt.want)
		}
	}
}
