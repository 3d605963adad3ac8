package render_test

import (
	"strings"
	"testing"

	"github.com/rhysd/actionlint"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

// TestOwnValuesStayValues puts anything into what people say of their machines
// and jobs. It is refused, or every expression that it becomes part of is one
// expression, in which it is a text.
func TestOwnValuesStayValues(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		v := rapid.OneOf(rapid.SampledFrom(hostile), rapid.String(), rapid.StringMatching(`[a-z'"\\{}$:,()|&]{1,12}`)).Draw(t, "value")
		f := surrounded()
		r := f.fleet.Settings.Runners[model.RunnerSpotAMD64]
		j := model.OwnJob{Name: "x", After: model.StageBuild, GitHub: "./.github/workflows/x.yml", GitLab: ".x"}
		switch rapid.IntRange(0, 7).Draw(t, "place") {
		case 0:
			r.Image = v
		case 1:
			r.Services = []model.Service{{Name: "cache", Image: v}}
		case 2:
			r.Variables = map[string]string{"GREETING": v}
		case 3:
			r.Variables = map[string]string{v: "x"}
		case 4:
			j.Name = v
		case 5:
			j.GitHub = v
		case 6:
			j.Secrets = []string{v}
		case 7:
			j.GitLab = v
		}
		f.fleet.Settings.Runners[model.RunnerSpotAMD64] = r
		f.fleet.Settings.Jobs = []model.OwnJob{j}
		p, list, err := pipeline.Layout(&f.fleet, f.edges, pipeline.Options{})
		if err != nil || list.HasErrors() {
			return
		}
		for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
			files, err := render.Render(p, forge, render.DefaultPins())
			if err != nil {
				return
			}
			for name, text := range files {
				var doc any
				if err := yaml.Unmarshal(text, &doc); err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				if forge == pipeline.GitHub {
					checkExpressions(t, name, doc)
				}
			}
		}
	})
}

// checkExpressions parses each text with an expression: it must be one, from
// its beginning to its end.
func checkExpressions(t fataler, at string, v any) {
	switch v := v.(type) {
	case map[string]any:
		for k, e := range v {
			checkExpressions(t, at+"."+k, e)
		}
	case []any:
		for _, e := range v {
			checkExpressions(t, at, e)
		}
	case string:
		inner, whole := strings.CutPrefix(v, "${{")
		if !whole {
			if strings.Contains(v, "${{") {
				t.Fatalf("%s: an expression within a text: %s", at, v)
			}
			return
		}
		lexer := actionlint.NewExprLexer(inner)
		if _, err := actionlint.NewExprParser().Parse(lexer); err != nil {
			t.Fatalf("%s: %v: %s", at, err, v)
		}
		if rest := inner[lexer.Offset():]; rest != "" {
			t.Fatalf("%s: the expression ends before %q: %s", at, rest, v)
		}
	}
}
