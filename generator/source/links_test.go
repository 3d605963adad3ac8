package source_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestLinkedFolder: a link beside the images that looks like one is not
// passed over in silence; a link that could not be one is.
func TestLinkedFolder(t *testing.T) {
	t.Parallel()
	link := func(to string) history.File { return history.File{Mode: model.ModeSymlink, Content: to} }
	fleet, list, err := source.Load(t.Context(), history.MemoryFiles(map[string]history.File{
		"images/app/Dockerfile": {Content: "FROM scratch\n"},
		"images/app/latest":     link("Dockerfile"),
		"images/app2":           link("app"),
		"images/README.md":      link("../README.md"),
		"README.md":             {Content: "Images.\n"},
	}), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	if len(fleet.Images) != 1 || fleet.Images[0].ID != "app" {
		t.Errorf("images: %v", fleet.Images)
	}
	if len(list) != 1 || list[0].Rule != source.RuleNotRead || list[0].Pos.File != "images/app2" || list.HasErrors() {
		t.Errorf("diagnostics: %v", list)
	}
}
