package pipeline_test

import (
	"fmt"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// TestAPromotionOfManyHasLonger: a promotion may have to list and scan all of a
// fleet, and has longer the larger that is, but less than six hours.
func TestAPromotionOfManyHasLonger(t *testing.T) {
	t.Parallel()
	for images, want := range map[int]int{1: 45, 45: 45, 200: 148, 2000: 300} {
		var all []model.Image
		for n := range images {
			all = append(all, image(fmt.Sprintf("image-%04d", n), model.LinuxAMD64, model.LinuxARM64))
		}
		for _, judged := range []bool{true, false} {
			f := fleet(all...)
			f.Settings.Judging.On = judged
			p, _, err := pipeline.Layout(f, nil, pipeline.Options{})
			if err != nil {
				t.Fatal(err)
			}
			got := p.Fixed[pipeline.Promote].Minutes
			if judged && got != want || !judged && got > 45 {
				t.Errorf("a promotion of %d images, judged %v, has %d minutes, want %d", images, judged, got, want)
			}
		}
	}
}
