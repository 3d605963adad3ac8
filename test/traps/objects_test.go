package traps

import (
	"io"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gitcontext"
)

// given reads one file as a build of the entry is given it.
func (d *desk) given(e *model.Entry, path string) (string, error) {
	d.t.Helper()
	objects, err := gitcontext.OpenRepository(d.t.Context(), d.Dir)
	if err != nil {
		d.t.Fatal(err)
	}
	defer objects.Close()
	context, err := gitcontext.New(d.t.Context(), objects, e.Recipe.Files)
	if err != nil {
		return "", err
	}
	r, err := context.Open(path)
	if err != nil {
		return "", err
	}
	defer r.Close()
	b, err := io.ReadAll(r)
	return string(b), err
}

// equalPlans shows that two plans say the same about every target.
func equalPlans(t *testing.T, what string, a, b *verdicts) {
	t.Helper()
	if x, y := a.show(), b.show(); x != y {
		t.Errorf("%s: the plans differ:\n%s\n%s", what, x, y)
	}
	for i := range a.Entries {
		if a.Entries[i].Key != b.Entries[i].Key {
			t.Errorf("%s: the keys of %s differ", what, a.Entries[i].ID())
		}
	}
}
