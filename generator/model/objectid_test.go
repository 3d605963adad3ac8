package model_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestIsObjectID(t *testing.T) {
	t.Parallel()
	sha1 := strings.Repeat("0123456789abcdef", 3)[:40]
	for s, want := range map[string]bool{
		sha1: true, strings.Repeat("a", 64): true, "": false, sha1[:39]: false, sha1 + "0": false, strings.ToUpper(sha1): false,
		"--upload-pack=x" + sha1[15:]: false, sha1[:20] + "-" + sha1[21:]: false, sha1[:39] + "\n": false, strings.Repeat("a", 20) + "g" + strings.Repeat("a", 19): false,
	} {
		if model.IsObjectID(s) != want {
			t.Errorf("%q: %v", s, !want)
		}
	}
}
