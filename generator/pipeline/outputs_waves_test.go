package pipeline_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

func TestGitHubWaves(t *testing.T) {
	t.Parallel()
	p := wide(3)
	p.Images[1].Target, p.Images[1].Minutes = "image:0001", 30
	p.Images[2].Level = 1
	amd64 := pipeline.Platform{Platform: "linux/amd64", Arch: "amd64", Runner: []string{"a"}}
	arm64 := pipeline.Platform{Platform: "linux/arm64", Arch: "arm64", Runner: []string{"b"}}
	d := &pipeline.Decisions{
		Build: []string{"image-0000", "image-0001"}, Merge: []string{"image-0001", "image-0002"},
		Matrix: map[string][]pipeline.Platform{"image-0000": {amd64}, "image-0001": {amd64, arm64}},
	}
	got, err := d.GitHubWaves(p.Batches(anyRoom))
	if err != nil {
		t.Fatal(err)
	}
	want := `sets={"0":[{"platform":"linux/amd64","arch":"amd64","runner":["a"]}],"1":[{"platform":"linux/amd64","arch":"amd64","runner":["a"]},{"platform":"linux/arm64","arch":"arm64","runner":["b"]}]}
build-1-1=[{"image":"image-0000","minutes":120,"set":"0"},{"image":"image-0001","target":"image:0001","minutes":30,"set":"1"}]
merge-1-1=[{"image":"image-0001","target":"image:0001"}]
build-2-1=[]
merge-2-1=[{"image":"image-0002"}]
`
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	d.Merge = append(d.Merge, "stranger")
	if _, err := d.GitHubWaves(p.Batches(anyRoom)); err == nil || !strings.Contains(err.Error(), "stranger is in no wave") {
		t.Errorf("an image that no wave has: %v", err)
	}
}

// Images that are built alike share one set of platforms: the outputs of a
// large fleet must stay small.
func TestGitHubWavesTellPlatformsOnce(t *testing.T) {
	t.Parallel()
	d := &pipeline.Decisions{Matrix: map[string][]pipeline.Platform{}}
	p := wide(2000)
	for i := range p.Images {
		id := p.Images[i].ID
		d.Build, d.Merge = append(d.Build, id), append(d.Merge, id)
		for _, l := range p.Images[i].Legs {
			d.Matrix[id] = append(d.Matrix[id], pipeline.Platform{Platform: l.Platform.String(), Arch: l.Platform.Arch, Runner: []string{"self-hosted", "linux", model.RunnerSpotAMD64}})
		}
	}
	text, err := d.GitHubWaves(p.Batches(anyRoom))
	if err != nil || len(text) > 200_000 || strings.Count(string(text), `"linux/arm64"`) != 1 {
		t.Errorf("%d bytes, %v", len(text), err)
	}
}
