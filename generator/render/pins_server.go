package render

import (
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// serverPins are the last versions of the actions whose later ones refuse to
// run on a GitHub Enterprise Server, as their own documents say: it keeps
// artifacts in another way than github.com does since version 4.
var serverPins = []Pin{
	{actionUpload, "c6a366c94c3e0affe28c06c8df20a878f24da3cf", "v3.2.2"},
	{actionDownload, "a9bc5e6ef2cb54c177f32aa5726adaa15e7e2d59", "v3.1.0"},
}

// On takes back, on a site that does not run them, what is too new; it returns
// the names of these actions.
func (p Pins) On(site model.GitHubSite) []string {
	if !site.Server() {
		return nil
	}
	var back []string
	for _, last := range serverPins {
		if have, used := p[last.Action]; used && major(have) > major(last) {
			p[last.Action] = last
			back = append(back, last.Action)
		}
	}
	slices.Sort(back)
	return back
}

func major(p Pin) int { return numbers(p.Version)[0] }

// overwrites tells whether an upload must say that it may take the place of an
// artifact: before version 4 it always does, and has no such input.
func overwrites(upload Pin) bool { return major(upload) >= 4 }
