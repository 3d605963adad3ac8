package render_test

import (
	"maps"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// secretive is a fleet with two images whose builds mount secrets, one of them
// the same; one is built from the other.
func secretive(layout string) fixture {
	f := fixture{fleet: model.Fleet{Settings: settings(), Images: []model.Image{
		image("base", both...), image("hello", both...), image("private", both...), image("vendor.sdk", model.LinuxAMD64),
	}}}
	f.fleet.Settings.Layout = layout
	f.fleet.Images[2].Secrets = map[string]string{"npm": "NPM_TOKEN", "pip.conf": "PIP_CONF"}
	f.fleet.Images[3].Secrets = map[string]string{"npm": "NPM_TOKEN"}
	f.edges = merged(builtFrom(&f.fleet, "private", "base"), builtFrom(&f.fleet, "vendor.sdk", "private"))
	return f
}

// TestSecretsReachOneImage looks at which jobs of GitHub are handed which
// secrets, in both layouts.
func TestSecretsReachOneImage(t *testing.T) {
	t.Parallel()
	want := map[string]string{
		"push fleet": "NPM_TOKEN PIP_CONF", "release fleet": "NPM_TOKEN PIP_CONF", "request fleet": "NPM_TOKEN PIP_CONF", "queue fleet": "NPM_TOKEN PIP_CONF",
		"manual fleet": "NPM_TOKEN PIP_CONF", "bases fleet": "NPM_TOKEN PIP_CONF",
		"build-private build":    "NPM_TOKEN PIP_CONF @image-private",
		"build-vendor.sdk build": "NPM_TOKEN @image-vendor.sdk",
	}
	calls := map[string]map[string]string{
		model.LayoutGraph: {"fleet build-private": "NPM_TOKEN PIP_CONF", "fleet build-vendor--sdk": "NPM_TOKEN"},
		model.LayoutWaves: {"fleet build-2-1": "NPM_TOKEN PIP_CONF", "fleet build-3-1": "NPM_TOKEN"},
	}
	for layout, more := range calls {
		got, all := map[string]string{}, map[string]string{}
		maps.Copy(all, want)
		maps.Copy(all, more)
		for file, text := range secretive(layout).files(t) {
			name, is := strings.CutPrefix(file, ".github/workflows/rootfsgen-")
			if !is {
				continue
			}
			var w policyFile
			if err := yaml.Unmarshal(text, &w); err != nil {
				t.Fatal(err)
			}
			for id, j := range w.Jobs {
				if has := readsOf(&j); has != "" {
					got[strings.TrimSuffix(name, ".yml")+" "+id] = has
				}
			}
		}
		if d := cmp.Diff(all, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", layout, d)
		}
	}
}

// readsOf are the secrets of images that a job is handed or reads, and its
// environment where it reads some.
func readsOf(j *policyJob) string {
	var out []string
	handed, _ := j.Secrets.(map[string]any)
	for name := range handed {
		out = append(out, name)
	}
	for _, s := range j.Steps {
		for name, v := range s.Env {
			if s.Name == "Build" && v == "${{ secrets."+name+" }}" {
				out = append(out, name)
			} else if strings.Contains(v, "NPM_TOKEN") || strings.Contains(v, "PIP_CONF") {
				out = append(out, "?"+s.Name)
			}
		}
	}
	out = slices.DeleteFunc(out, func(s string) bool { return strings.HasPrefix(s, "ROOTFSGEN_REGISTRY_AUTH") })
	slices.Sort(out)
	if len(out) > 0 && j.Environment != "" {
		out = append(out, "@"+j.Environment)
	}
	return strings.Join(out, " ")
}

// TestSecretsHaveAnEnvironmentOnGitLab: a variable of the project can belong to
// it, and reaches the builds of one image only.
func TestSecretsHaveAnEnvironmentOnGitLab(t *testing.T) {
	t.Parallel()
	for _, layout := range []string{model.LayoutGraph, model.LayoutWaves} {
		var doc map[string]any
		if err := yaml.Unmarshal(secretive(layout).files(t)[".gitlab/rootfsgen/fleet.yml"], &doc); err != nil {
			t.Fatal(err)
		}
		got := map[string]int{}
		for name, v := range doc {
			job, is := v.(map[string]any)
			if e, has := job["environment"].(map[string]any); is && has {
				name, _ := e["name"].(string)
				got[name]++
				if e["action"] != "access" {
					t.Errorf("%s deploys to %s", name, e["name"])
				}
			} else if is && strings.Contains(name, "private") && !strings.HasPrefix(name, "merge:") {
				t.Errorf("%s has no environment", name)
			}
		}
		if d := cmp.Diff(map[string]int{"image-private": 2, "image-vendor.sdk": 1}, got); d != "" {
			t.Errorf("%s: -want +got:\n%s", layout, d)
		}
	}
}
