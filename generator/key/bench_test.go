package key

import (
	"fmt"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// BenchmarkFleet computes the keys of 1,000 images on two platforms, in
// layers, each with its own Dockerfile and files.
func BenchmarkFleet(b *testing.B) {
	files := map[string]string{}
	fleet := &model.Fleet{Settings: model.Settings{Repositories: []string{""}}}
	for i := range 1000 {
		id := fmt.Sprintf("image-%04d", i)
		dir := "images/" + id
		from := "scratch"
		if i >= 10 {
			from = fmt.Sprintf("image-%04d", i/10)
		}
		files[dir+"/Dockerfile"] = fmt.Sprintf("# image %d\nARG VERSION=%d\nFROM %s AS build\nARG VERSION\nARG TARGETARCH\nENV A=b\nCOPY . /src\nRUN make $VERSION && \\\n  make install\nFROM %s\nCOPY --from=build /out /out\nCOPY etc/*.conf /etc/\n", i, i, from, from)
		for f := range 10 {
			files[fmt.Sprintf("%s/etc/%d.conf", dir, f)] = id
		}
		files[dir+"/README.md"] = id
		files[dir+"/.dockerignore"] = "*.md\n**/*.tmp\n"
		fleet.Images = append(fleet.Images, model.Image{
			ID: id, ImageName: id, ComponentVersion: "1", Dir: dir, Dockerfile: dir + "/Dockerfile", Context: dir,
			Builder: model.BuilderDockerfile, Platforms: []model.Platform{model.LinuxAMD64, model.LinuxARM64},
		})
	}
	tree := history.Memory(files)
	for b.Loop() {
		g, list, err := graph.Build(b.Context(), fleet, tree, graph.Options{CI: true})
		if err != nil || len(list) > 0 {
			b.Fatal(list, err)
		}
		if _, _, err := Compute(b.Context(), fleet, g, tree); err != nil {
			b.Fatal(err)
		}
	}
}
