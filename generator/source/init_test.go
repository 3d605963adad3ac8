package source_test

import (
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

func TestInit(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name   string
		files  []string
		images []string // id and build file
		left   []string
		config string // the uncommented lines beside version
	}{
		{"empty", nil, []string{"hello images/hello/Dockerfile"}, nil, ""},
		{"only code", []string{"README.md", "src/main.go"}, []string{"hello images/hello/Dockerfile"}, nil, ""},
		{"the default layout", []string{"images/a/Dockerfile", "images/b/Containerfile"},
			[]string{"a images/a/Dockerfile", "b images/b/Containerfile"}, nil, ""},
		{"a folder that is no image", []string{"images/a/Dockerfile", "images/scripts/build.sh"},
			[]string{"a images/a/Dockerfile"}, nil, `images: - root: images pattern: "{name}" exclude: - "scripts"`},
		{"another root", []string{"docker/a/Dockerfile", "docker/b/Dockerfile"},
			[]string{"a docker/a/Dockerfile", "b docker/b/Dockerfile"}, nil, `images: - root: docker pattern: "{name}"`},
		{"folders in folders", []string{"docker/a/1/Dockerfile", "docker/a/2/Dockerfile", "docker/b/Dockerfile"},
			[]string{"a-1 docker/a/1/Dockerfile", "a-2 docker/a/2/Dockerfile", "b docker/b/Dockerfile"}, nil, `images: - root: docker`},
		{"everywhere", []string{"x/Dockerfile", "y/z/Dockerfile"},
			[]string{"x x/Dockerfile", "y-z y/z/Dockerfile"}, nil, `images: - root: "."`},
		{"what cannot be meant", []string{"Dockerfile", "app/node_modules/m/Dockerfile", "app/web/Dockerfile", "app/Up/Dockerfile", "app/two/Dockerfile.a", "app/two/Dockerfile.b", ".github/x/Dockerfile"},
			[]string{"up app/Up/Dockerfile", "web app/web/Dockerfile"},
			[]string{"Dockerfile", "app/node_modules/m/Dockerfile", "app/two/Dockerfile.a"},
			`images: - root: app pattern: "{name}" exclude: - "node_modules" - "two"`},
		{"one suffixed build file", []string{"a/b/Dockerfile.gpu", "a/c/d/Dockerfile"},
			[]string{"b-gpu a/b/Dockerfile.gpu", "c-d a/c/d/Dockerfile"}, nil, `images: - root: "a"`},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			files := map[string]string{}
			for _, f := range tt.files {
				files[f] = "FROM scratch\n"
			}
			p, err := source.Init(t.Context(), history.Memory(files))
			if err != nil {
				t.Fatal(err)
			}
			if len(p.Problems) > 0 {
				t.Errorf("what is proposed has mistakes: %v", p.Problems)
			}
			var images, left []string
			for _, i := range p.Images {
				images = append(images, i.ID+" "+i.Dockerfile)
			}
			for _, l := range p.LeftOut {
				left = append(left, l.Path)
			}
			if d := cmp.Diff(tt.images, images); d != "" {
				t.Errorf("images (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.left, left); d != "" {
				t.Errorf("left out (-want +got):\n%s", d)
			}
			if d := cmp.Diff(tt.config, spoken(p.Files["rootfsgen.yaml"])); d != "" {
				t.Errorf("rootfsgen.yaml (-want +got):\n%s", d)
			}
		})
	}
}

// spoken is what a settings file says beside its comments and version.
func spoken(config []byte) string {
	var words []string
	for line := range strings.SplitSeq(string(config), "\n") {
		if !strings.HasPrefix(line, "#") && line != "version: 1" {
			words = append(words, strings.Fields(line)...)
		}
	}
	return strings.Join(words, " ")
}

// TestInitComments turns every commented key on: the file must still be valid.
func TestInitComments(t *testing.T) {
	t.Parallel()
	p, err := source.Init(t.Context(), history.Memory(nil))
	if err != nil {
		t.Fatal(err)
	}
	key := regexp.MustCompile(`(?m)^# ( *(- )?[a-z0-9_-]+:( [^$]|$))`)
	files := map[string]string{}
	for name, content := range p.Files {
		files[name] = string(content)
	}
	files["rootfsgen.yaml"] = key.ReplaceAllString(files["rootfsgen.yaml"], "$1")
	fleet, list, err := source.Load(t.Context(), history.Memory(files), source.Options{})
	if err != nil || len(list) > 0 {
		t.Fatalf("%v %v\n%s", err, list, files["rootfsgen.yaml"])
	}
	if fleet.Settings.Registry.Prod == "" || !slices.Contains(fleet.Settings.Repositories, fleet.Settings.Registry.PR) {
		t.Errorf("the commented registry was not read: %+v", fleet.Settings)
	}
	golden(t, filepath.Join("testdata", "init.yaml"), p.Files["rootfsgen.yaml"])
}
