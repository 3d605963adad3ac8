package graph

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestContextNames(t *testing.T) {
	t.Parallel()
	fleet := &model.Fleet{Images: []model.Image{{
		ID: "it", ImageName: "it", Dir: "it", Context: "it", Dockerfile: "it/Dockerfile", Builder: model.BuilderDockerfile,
		Platforms: []model.Platform{model.LinuxAMD64, model.LinuxARM64},
		Contexts:  map[string]string{"scratch": "/it", "tools": "/it", "docker.io/library/tools:latest": "/it", "Not A Name": "/it"},
	}}}
	_, list, err := Build(t.Context(), fleet, history.Memory(map[string]string{"it/Dockerfile": "FROM scratch\nCOPY --from=tools D* /\n"}), Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Message)
	}
	want := []string{
		`no reference can mean the context "Not A Name"`, `no reference can mean the context "scratch"`,
		`the contexts "docker.io/library/tools:latest" and "tools" are of one name`,
	}
	if strings.Join(got, "\n") != strings.Join(want, "\n") {
		t.Errorf("got %q, want %q", got, want)
	}
}
