package render

import (
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// ghService is a container beside a job. One whose image is empty does not
// start.
type ghService struct {
	Name  string
	Image any
}

// surround gives a job what its class gives.
func (j *ghJob) surround(r model.Runner) {
	if r.Image != "" {
		j.Container = r.Image
	}
	for _, s := range r.Services {
		j.Services = append(j.Services, ghService{s.Name, s.Image})
	}
	for _, name := range slices.Sorted(maps.Keys(r.Variables)) {
		j.Env = append(j.Env, pair{name, r.Variables[name]})
	}
}

// surroundLegs does the same for a job whose legs are of several classes: the
// class of a leg, which the matrix has under key, chooses.
func (g *github) surroundLegs(j *ghJob, classes []string, key string) {
	images, services, variables := map[string]string{}, map[string]map[string]string{}, map[string]map[string]string{}
	put := func(m map[string]map[string]string, name, class, value string) {
		if m[name] == nil {
			m[name] = map[string]string{}
		}
		m[name][class] = value
	}
	for _, class := range classes {
		r := g.p.Runners[class]
		if r.Image != "" {
			images[class] = r.Image
		}
		for _, s := range r.Services {
			put(services, s.Name, class, s.Image)
		}
		for name, value := range r.Variables {
			put(variables, name, class, value)
		}
	}
	if len(images) > 0 {
		j.Container = byClass(images, key)
	}
	for _, name := range slices.Sorted(maps.Keys(services)) {
		j.Services = append(j.Services, ghService{name, byClass(services[name], key)})
	}
	for _, name := range slices.Sorted(maps.Keys(variables)) {
		j.Env = append(j.Env, pair{name, byClass(variables[name], key)})
	}
}

// byClass is the value of a leg's class, empty for a class without one.
func byClass(values map[string]string, key string) expr {
	text, _ := json.Marshal(values) // strings are what JSON is made of
	return expr("${{ fromJSON('" + strings.ReplaceAll(string(text), "'", "''") + "')[matrix." + key + "] || '' }}")
}

// checkClasses refuses what would end the expression that it becomes part of.
func checkClasses(p *pipeline.Pipeline) error {
	for _, class := range slices.Sorted(maps.Keys(p.Runners)) {
		r := p.Runners[class]
		values := []string{r.Image}
		for _, s := range r.Services {
			values = append(values, s.Name, s.Image)
		}
		for name, value := range r.Variables {
			if err := model.CheckVariableName(name); err != nil {
				return fmt.Errorf("rendering the machine class %q: %w", class, err)
			}
			values = append(values, value)
		}
		for _, v := range values {
			if strings.ContainsAny(v, "${}\n") {
				return fmt.Errorf("rendering the machine class %q: %q would be an expression", class, v)
			}
		}
	}
	return nil
}
