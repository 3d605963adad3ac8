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
