package source_test

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestNames: whatever folders and build files are called, every image gets
// valid names that no other has, each build file is an image or told of, and
// nothing depends on the order of the rules.
func TestNames(t *testing.T) {
	t.Parallel()
	part := rapid.SampledFrom([]string{"a", "A", "b", "a-b", "a_b", "1.0", "v1", "+", "é", "latest", "x y", strings.Repeat("long", 20), strings.Repeat("long", 20) + "2"})
	file := rapid.SampledFrom([]string{"Dockerfile", "Containerfile", "Dockerfile.gpu", "gpu.Dockerfile", "Dockerfile.GPU", "Dockerfile.-", "notes"})
	rules := []string{
		`{root: "."}`, `{root: a}`, `{root: ".", pattern: "{name}"}`, `{root: ".", pattern: "{name}/{tag}"}`, `{root: a, pattern: "{name}-{tag}"}`,
		`{root: ".", pattern: "**/{name}"}`, `{root: ".", pattern: "*/{name}", dockerfiles: [Dockerfile, "Dockerfile.{variant}"]}`, `{root: a, dockerfiles: "*.Dockerfile"}`,
	}
	rapid.Check(t, func(t *rapid.T) {
		files := map[string]string{"a/Dockerfile": ""}
		for _, dir := range rapid.SliceOfN(rapid.SliceOfN(part, 1, 4), 1, 8).Draw(t, "folders") {
			for _, name := range rapid.SliceOfN(file, 1, 3).Draw(t, "files") {
				files[strings.Join(dir, "/")+"/"+name] = "FROM scratch\n"
			}
		}
		chosen := rapid.SliceOfNDistinct(rapid.SampledFrom(rules), 1, 3, rapid.ID).Draw(t, "rules")
		load := func(rules []string) (*model.Fleet, string) {
			fleet, list, err := source.Load(t.Context(), history.Memory(files), source.Options{ConfigData: []byte("version: 1\nimages: [" + strings.Join(rules, ", ") + "]\n")})
			if err != nil {
				t.Fatal(err)
			}
			told := ""
			for _, d := range list {
				told += d.Pos.File + "\n"
			}
			return fleet, told
		}
		fleet, told := load(chosen)
		nodes, built := map[model.TargetID]bool{}, map[string]bool{}
		for _, i := range fleet.Images {
			if err := model.CheckImageName(i.ID); err != nil {
				t.Fatal(err)
			}
			if err := model.CheckTag(i.Node().Tag); err != nil {
				t.Fatal(err)
			}
			if i.Variant != "" && model.CheckTag(i.Variant) != nil || nodes[i.Node()] {
				t.Fatalf("%s is there twice, or wrong", i.Node().Node())
			}
			nodes[i.Node()], built[i.Dockerfile] = true, true
		}
		if !slices.IsSortedFunc(fleet.Images, func(a, b model.Image) int { return a.Node().Compare(b.Node()) }) {
			t.Fatal("the images are not sorted")
		}
		again, _ := load(chosen)
		if d := cmp.Diff(fleet.Images, again.Images); d != "" {
			t.Fatalf("another time it is another fleet:\n%s", d)
		}
		if !slices.Equal(chosen, rules[:1]) {
			return
		}
		for name := range files {
			if base := name[strings.LastIndexByte(name, '/')+1:]; base == "notes" || base == "Containerfile" {
				continue // the second one has no image beside a Dockerfile
			}
			if !built[name] && !strings.Contains(told, name+"\n") {
				t.Fatalf("%s is no image, and nothing is said", name)
			}
		}
	})
}

// What lies in the root of a repository is called root, an ignore file is no
// build file whatever the pattern, and a folder that says nothing of images is
// none.
func TestWhatAFolderHolds(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		config string
		files  []string
		want   []string
		rules  []string
	}{
		{`[{root: "."}]`, []string{"Dockerfile", "Dockerfile.slim", "a/Dockerfile"}, []string{"a:0", "root:0", "slim:0"}, nil},
		{`[{root: "."}]`, []string{"Dockerfile", "root/Dockerfile"}, []string{"root-436f065f94:0", "root-add500d123:0"}, nil},
		{
			`[{root: ".", pattern: "{name}", dockerfiles: "Dockerfile.{variant}"}]`,
			[]string{"a/Dockerfile.x", "a/Dockerfile.dockerignore", "a/Dockerfile.x.dockerignore"},
			[]string{"a:0:x"}, nil,
		},
		{`[{root: images, pattern: "{name}"}]`, []string{"images/a/Dockerfile", "images/shared/lib.sh"}, []string{"a:0"}, []string{"warning no-build-file"}},
		{`[{root: images, pattern: "{name}"}]`, []string{"images/a/Dockerfile", "images/b/1/Dockerfile"}, []string{"a:0"}, []string{"error no-build-file"}},
	} {
		files := map[string]string{}
		for _, f := range c.files {
			files[f] = "FROM scratch\n"
		}
		fleet, list, err := source.Load(t.Context(), history.Memory(files), source.Options{ConfigData: []byte("version: 1\nimages: " + c.config + "\n")})
		if err != nil {
			t.Fatal(err)
		}
		var got, rules []string
		for _, i := range fleet.Images {
			got = append(got, i.Node().Node())
		}
		for _, d := range list {
			rules = append(rules, string(d.Severity)+" "+d.Rule)
		}
		if diff := cmp.Diff(c.want, got); diff != "" {
			t.Errorf("%s %v (-want +got):\n%s", c.config, c.files, diff)
		}
		if diff := cmp.Diff(c.rules, rules); diff != "" {
			t.Errorf("%s %v: rules (-want +got):\n%s", c.config, c.files, diff)
		}
	}
}
