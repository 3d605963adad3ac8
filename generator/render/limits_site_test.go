package render_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// TestLimitsOfAServer are refused on one, and told elsewhere.
func TestLimitsOfAServer(t *testing.T) {
	t.Parallel()
	for address, server := range map[string]bool{"": false, "https://acme.ghe.com": false, "https://github.example.com": true} {
		f := fixtures()["small"]
		f.fleet.Settings.GitHub = model.GitHubSite{URL: address}
		p := layout(t, f)
		on := map[string]int{}
		for _, l := range render.Limits(p, pipeline.GitHub, f.files(t)) {
			on[l.On]++
			if l.On == render.OnGitHubServer && l.Told == server {
				t.Errorf("%q: %s: told %v", address, l, l.Told)
			}
			if l.Exceeded() {
				t.Errorf("%q: %s", address, l)
			}
		}
		if (on[render.OnGitHubCom] == 0) != server || on[render.OnGitHubServer] == 0 {
			t.Errorf("%q: %v", address, on)
		}
	}
}
