package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

var anyRoom = pipeline.Room{Legs: 256}

// wide is a pipeline of n images of one level, each on both platforms.
func wide(n int) *pipeline.Pipeline {
	p := &pipeline.Pipeline{}
	for i := range n {
		p.Images = append(p.Images, pipeline.Image{ID: fmt.Sprintf("image-%04d", i), Minutes: 120, Merge: true, Legs: []pipeline.Leg{
			{Platform: model.LinuxAMD64, Runner: model.RunnerSpotAMD64}, {Platform: model.LinuxARM64, Runner: model.RunnerSpotARM64},
		}})
	}
	return p
}

// sizes are the images of each batch, by "wave.number".
func sizes(batches []pipeline.Batch) map[string]int {
	m := map[string]int{}
	for _, b := range batches {
		m[fmt.Sprintf("%d.%d", b.Wave, b.Number)] = len(b.Images)
	}
	return m
}

func TestBatchesSplitAMatrix(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]map[string]int{
		0:   {},
		1:   {"1.1": 1},
		255: {"1.1": 255},
		256: {"1.1": 256},
		257: {"1.1": 256, "1.2": 1},
		513: {"1.1": 256, "1.2": 256, "1.3": 1},
	} {
		if d := cmp.Diff(want, sizes(wide(n).Batches(anyRoom))); d != "" {
			t.Errorf("%d images: -want +got:\n%s", n, d)
		}
	}
}

// Each image has a time limit of its own, so that no two share a group.
func TestBatchesSplitAWave(t *testing.T) {
	t.Parallel()
	for n, want := range map[int]map[string]int{
		47: {"1.1": 47}, 48: {"1.1": 48}, 49: {"1.1": 48, "2.1": 1},
	} {
		p := wide(n)
		for i := range p.Images {
			p.Images[i].Minutes, p.Images[i].Legs = 100+i, p.Images[i].Legs[:1]
		}
		if d := cmp.Diff(want, sizes(p.Batches(pipeline.Room{Legs: 200, Needs: 48}))); d != "" {
			t.Errorf("%d groups: -want +got:\n%s", n, d)
		}
	}
}

// An image whose own jobs are more than a wave may have is alone in one.
func TestBatchesTakeOneImageInAnyCase(t *testing.T) {
	t.Parallel()
	if d := cmp.Diff(map[string]int{"1.1": 1, "2.1": 1}, sizes(wide(2).Batches(pipeline.Room{Legs: 200, Needs: 1}))); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
}

func TestGroupsAreByMachineAndTime(t *testing.T) {
	t.Parallel()
	p := wide(4)
	p.Images[1].Minutes = 210
	p.Images[2].Legs[0].Runner = "large"
	p.Images[3].ID, p.Images[3].Target = "a-long-name", "a:long-name"
	room := pipeline.Room{Legs: 200, Name: len("a-long-name") + len("a:long-name") - 1}
	b := p.Batches(room)
	var got []string
	for _, g := range b[0].Groups(room) {
		got = append(got, fmt.Sprintf("%s %s %d %d%s", g.Platform, g.Runner, g.Minutes, len(g.Images), g.Target))
	}
	want := []string{
		"linux/amd64 large 120 1", "linux/amd64 spot-amd64 120 1", "linux/amd64 spot-amd64 120 1a:long-name", "linux/amd64 spot-amd64 210 1",
		"linux/arm64 spot-arm64 120 2", "linux/arm64 spot-arm64 120 1a:long-name", "linux/arm64 spot-arm64 210 1",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Errorf("-want +got:\n%s", d)
	}
	room.Name++
	if n := len(b[0].Groups(room)); n != 5 {
		t.Errorf("names that fit make %d groups", n)
	}
}

// TestBatchesAreSound draws pipelines and rooms, and checks what waves are for.
func TestBatchesAreSound(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		p := drawPipeline(t)
		room := pipeline.Room{Legs: rapid.IntRange(1, 5).Draw(t, "legs"), Needs: rapid.IntRange(0, 4).Draw(t, "needs")}
		batches := p.Batches(room)
		wave, groups := map[string]int{}, map[int]int{}
		for _, b := range batches {
			if len(b.Images) == 0 || len(b.Images) > room.Legs {
				t.Fatalf("a batch of %d images", len(b.Images))
			}
			for i := range b.Images {
				if wave[b.Images[i].ID] != 0 {
					t.Fatalf("%s runs twice", b.Images[i].ID)
				}
				wave[b.Images[i].ID] = b.Wave
			}
			groups[b.Wave] += len(b.Groups(room))
		}
		for i := range p.Images {
			img := &p.Images[i]
			if wave[img.ID] == 0 {
				t.Fatalf("%s is in no wave", img.ID)
			}
			for _, parent := range img.Parents() {
				if wave[parent] >= wave[img.ID] {
					t.Fatalf("%s is in wave %d, its parent %s in %d", img.ID, wave[img.ID], parent, wave[parent])
				}
			}
		}
		for w, n := range groups {
			if room.Needs > 0 && n > max(room.Needs, 2) { // one image has at most two
				t.Fatalf("wave %d has %d groups", w, n)
			}
		}
		partIsInPlace(t, p, batches)
	})
}

func drawPipeline(t *rapid.T) *pipeline.Pipeline {
	p := wide(rapid.IntRange(0, 30).Draw(t, "images"))
	for i := range p.Images {
		img := &p.Images[i]
		img.Minutes = rapid.IntRange(1, 3).Draw(t, "minutes")
		img.Legs = img.Legs[:rapid.IntRange(0, 2).Draw(t, "platforms")]
		for n := range img.Legs {
			for _, parent := range rapid.SliceOfN(rapid.IntRange(0, max(0, i-1)), 0, 3).Draw(t, "parents") {
				if parent < i {
					img.Legs[n].Parents = append(img.Legs[n].Parents, p.Images[parent].ID)
					img.Level = max(img.Level, p.Images[parent].Level+1)
				}
			}
		}
	}
	return p
}

// partIsInPlace takes every other image: each must be where it was.
func partIsInPlace(t *rapid.T, p *pipeline.Pipeline, batches []pipeline.Batch) {
	at := func(batches []pipeline.Batch) map[string]string {
		m := map[string]string{}
		for _, b := range batches {
			for i := range b.Images {
				m[b.Images[i].ID] = fmt.Sprintf("%d.%d", b.Wave, b.Number)
			}
		}
		return m
	}
	var some []pipeline.Image
	want, all := map[string]string{}, at(batches)
	for i := 0; i < len(p.Images); i += 2 {
		some = append(some, p.Images[i])
		want[p.Images[i].ID] = all[p.Images[i].ID]
	}
	if d := cmp.Diff(want, at(pipeline.Part(batches, some))); d != "" {
		t.Fatalf("a part is elsewhere: -want +got:\n%s", d)
	}
}
