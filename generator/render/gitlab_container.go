package render

import (
	"maps"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// surround gives a job what its machine class gives.
func (j *glJob) surround(r model.Runner) {
	j.Image, j.Services = r.Image, r.Services
	var variables []pair
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		variables = append(variables, pair{name, r.Variables[name]})
	}
	j.set(variables)
}

// serviceTrees are containers beside a job as a YAML reader must see them.
func serviceTrees(services []model.Service) []any {
	var out []any
	for _, s := range services {
		out = append(out, map[string]any{"name": s.Image, "alias": s.Name})
	}
	return out
}
