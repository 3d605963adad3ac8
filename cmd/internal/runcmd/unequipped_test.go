package runcmd

import (
	"context"
	"errors"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// TestATagWithoutScanners promotes a tag whose own policy is off, where the
// default branch's is not: the job was generated without scanners, and says so.
func TestATagWithoutScanners(t *testing.T) {
	t.Parallel()
	missing := &tools.MissingError{Programs: []tools.Program{{Name: "grype"}, {Name: "syft"}}}
	other := errors.New("the registry is gone")
	scanner := func(err error) promote.Scanner {
		return unequipped("trunk", func(context.Context, []promote.Target) ([]model.Scan, error) { return []model.Scan{{}}, err })
	}
	_, err := scanner(missing)(t.Context(), nil)
	coded, is := errors.AsType[app.Coded](err)
	if !is || coded.ExitCode() != app.ExitIncomplete {
		t.Errorf("%v", err)
	}
	for _, want := range []string{"trunk asks for scans, and here is no grype and no syft: enforcement is off", "\nhint: take over scan-policy.yaml from trunk, run 'rootfsgen generate', and promote a tag"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("no %q in %v", want, err)
		}
	}
	if strings.Contains(err.Error(), "make tools") {
		t.Errorf("it offers to compile scanners in a job: %v", err)
	}
	if _, err := scanner(other)(t.Context(), nil); !errors.Is(err, other) || err.Error() != other.Error() {
		t.Errorf("another error: %v", err)
	}
	if scans, err := scanner(nil)(t.Context(), nil); err != nil || len(scans) != 1 {
		t.Errorf("no error: %v, %v", scans, err)
	}
}
