package doctor

import (
	"context"
	"errors"
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// Tags lists the tags of a repository.
type Tags func(ctx context.Context, repository string) ([]string, error)

// Registries asks each scope's registry for one image of the fleet, as this
// machine's person. Whether it may push is not tried.
func Registries(ctx context.Context, f *model.Fleet, tags Tags) Report {
	var r Report
	if len(f.Images) == 0 {
		return r
	}
	for _, scope := range []string{model.ScopePR, model.ScopeTesting, model.ScopeProd} {
		prefix := f.Settings.Registry.Prefix(scope)
		if prefix == "" {
			continue
		}
		repository := prefix + "/" + f.Images[0].ImageName
		x := Finding{Area: "registry", Check: scope, State: OK, Why: "jobs read and push there; pushing is not tried"}
		all, err := tags(ctx, repository)
		denied, refused := errors.AsType[*registry.Denied](err)
		switch {
		case err == nil:
			x.Says = fmt.Sprintf("%s has %d tags", repository, len(all))
		case errors.Is(err, registry.ErrAbsent):
			x.Says = repository + " was never pushed to"
		case refused:
			x.State, x.Says = Warn, denied.Error()
			x.Mend = []string{"docker login " + prefix, "gcloud auth application-default login, for a registry of Google's"}
		default:
			x.State, x.Says = Unknown, err.Error()
		}
		r = append(r, x)
	}
	return r
}
