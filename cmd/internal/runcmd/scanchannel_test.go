package runcmd

import (
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
)

// TestChannelRequests: the ids of a document are those of images, of their tags
// and of their variants.
func TestChannelRequests(t *testing.T) {
	t.Parallel()
	digest := model.DigestOf([]byte("x"))
	platforms := map[string]model.Digest{"linux/amd64": digest}
	d := &manifest.Document{Images: []manifest.Image{
		{ID: "hello", ComponentVersion: "1.0", Repository: "hello", Platforms: platforms},
		{ID: "python:3.13", ComponentVersion: "3.13.1", Repository: "python", Platforms: platforms},
		{ID: "python:3.13:slim", Repository: "python", Platforms: platforms},
		{ID: "somebody-elses"},
	}}
	got, err := channelRequests(d, "registry.example.com/prod")
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, r := range got {
		names = append(names, r.Repo+" "+r.Target.String())
	}
	want := []string{
		"registry.example.com/prod/hello hello:1.0 linux/amd64",
		"registry.example.com/prod/python python:3.13 linux/amd64",
		"registry.example.com/prod/python python:3.13:slim linux/amd64",
	}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Error(diff)
	}
	for _, id := range []string{"../x", "a:", "a:b:", "a:../b", "A"} {
		d.Images = []manifest.Image{{ID: id, Repository: "a", Platforms: platforms}}
		if _, err := channelRequests(d, "registry.example.com/prod"); err == nil {
			t.Errorf("%q was taken for an image", id)
		}
	}
}
