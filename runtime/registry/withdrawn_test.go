package registry_test

import (
	"errors"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/empty"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// TestARefusalIsNoAbsenceOfAMark: that nothing was withdrawn lets it be used, so
// it is not read out of a registry's refusal, unless the registry refuses all
// that is said of a repository that is not there yet.
func TestARefusalIsNoAbsenceOfAMark(t *testing.T) {
	t.Parallel()
	for _, bootstrap := range []bool{false, true} {
		for name, c := range map[string]struct {
			faults []registrytest.Fault
			marked bool
			fails  bool
		}{
			"no mark":                      {},
			"a mark":                       {marked: true},
			"401":                          {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 401}}, fails: true},
			"403":                          {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 403}}, fails: true},
			"503":                          {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 503}}, fails: true},
			"403, and then 503":            {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 403}, {Path: "/manifests/sha256", Status: 503}}, fails: true},
			"403, and the digest is not":   {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 403}, {Path: "/manifests/sha256", Status: 404}}, fails: true},
			"403 of the whole repository":  {faults: []registrytest.Fault{{Path: "/manifests/", Status: 403}}, fails: !bootstrap},
			"a mark that nobody may see":   {faults: []registrytest.Fault{{Path: "/manifests/w-", Status: 403}}, marked: true, fails: true},
			"a mark, and half an answer":   {faults: []registrytest.Fault{{Path: "/manifests/w-", Cut: true}}, marked: true, fails: true},
			"404 of the whole repository":  {faults: []registrytest.Fault{{Path: "/manifests/", Status: 404}}},
			"a mark, and 404 of all of it": {faults: []registrytest.Fault{{Path: "/manifests/sha256", Status: 404}}, marked: true},
		} {
			server := registrytest.New(t)
			repo := server.Prefix("testing/python")
			client := registry.New(registry.Options{Bootstrap: bootstrap, Attempts: 1})
			digest, err := client.PushImage(t.Context(), repo, empty.Image)
			if err == nil && c.marked {
				err = client.MoveTag(t.Context(), repo, digest, model.WithdrawalTag(digest))
			}
			if err != nil {
				t.Fatal(err)
			}
			for _, f := range c.faults {
				server.Fail(f)
			}
			got, err := client.Withdrawn(t.Context(), repo, digest)
			if (err != nil) != c.fails || got != (c.marked && !c.fails) || errors.Is(err, registry.ErrAbsent) {
				t.Errorf("%s, bootstrap: %v: %v, %v", name, bootstrap, got, err)
			}
		}
	}
}
