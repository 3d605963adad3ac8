package scan

import (
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// A store that is told where to believe believes nothing elsewhere.
func TestWhereScansAreBelieved(t *testing.T) {
	t.Parallel()
	server := registrytest.New(t)
	c := registry.New(registry.Options{})
	testing, prod := server.Prefix("testing/python"), server.Prefix("prod/python")
	digest, err := c.PushImage(t.Context(), testing, empty.Image)
	if err == nil {
		_, err = c.PushImage(t.Context(), prod, empty.Image)
	}
	if err != nil {
		t.Fatal(err)
	}
	forged := finished(digest, "2026-11-21T09:00:00Z")
	if err := (Store{Registry: c}).Save(t.Context(), testing, forged); err != nil {
		t.Fatal(err)
	}
	var kept []model.Receipt
	s := Store{Registry: c, In: func(repo string) string { return strings.Replace(repo, "/testing/", "/prod/", 1) }, Kept: func(_ string, _ model.Digest, r model.Receipt) { kept = append(kept, r) }}
	load := func(s Store) bool {
		t.Helper()
		_, found, err := s.Load(t.Context(), Request{Repo: testing, Target: python, Digest: digest}, forged.Source, forged.Tool, forged.Database)
		if err != nil {
			t.Fatal(err)
		}
		return found
	}
	if load(s) || load(Store{Registry: c, In: func(string) string { return "" }}) {
		t.Error("what lies in testing is believed")
	}
	if err := s.Save(t.Context(), testing, forged); err != nil || len(kept) != 1 || kept[0].Digest != digest {
		t.Errorf("%v, %v", kept, err)
	}
	if err := (Store{Registry: c}).Save(t.Context(), prod, forged); err != nil || !load(s) {
		t.Errorf("what lies in prod is not believed: %v", err)
	}
	if err := s.Save(t.Context(), testing, forged); err != nil || len(kept) != 1 {
		t.Errorf("what prod has is written again: %v, %v", kept, err)
	}
}
