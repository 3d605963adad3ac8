package model_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestCheckIncludePath(t *testing.T) {
	t.Parallel()
	for s, valid := range map[string]bool{
		"ci/notify.yml": true, ".gitlab/x.yml": true, "x": true,
		"": false, "/x": false, "../x": false, "a/../b": false, "a//b": false, "a/": false, "$CI_X/x.yml": false, "${{ x }}": false, "ci/*.yml": false, "a b": false,
	} {
		if err := model.CheckIncludePath(s); (err == nil) != valid {
			t.Errorf("%q: %v", s, err)
		}
	}
}
