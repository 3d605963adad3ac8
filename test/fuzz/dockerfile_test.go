package fuzz

import (
	"slices"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// FuzzDockerfile also holds that a file means the same at any path, and each
// time; triggers of its base are the same text.
func FuzzDockerfile(f *testing.F) {
	seeds(f, "generator/dockerfile/testdata/canonical/*.Dockerfile", "images/*/Dockerfile")
	for _, s := range []string{
		"FROM ${A:-${B}x}${C#*y} AS a\nCOPY --from=a $'x' /\nONBUILD RUN --mount=from=a,source=$X y\nFROM a",
		"#escape=`\nFROM a`\nb\nADD https://a.git#x git@b:c /",
		"FROM a\nCOPY <<A <<-B x /\n$A\nA\n\tb\n\tB\n", "FROM a\nCOPY --parents --exclude=*.x ./a/./b /",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		options := dockerfile.Options{Platform: model.LinuxARM64, Args: map[string]string{"A": "a"}}
		options.BaseConfig = func(dockerfile.Ref) (model.BaseConfig, bool) {
			return model.BaseConfig{OnBuild: []string{string(text)}}, len(text)%2 == 0
		}
		file, list := dockerfile.Parse("f", text)
		if file == nil && !list.HasErrors() {
			t.Fatal("no file and no error")
		}
		if file != nil {
			r, more := file.Resolve(options)
			list = append(list, more...)
			again, _ := file.At("g").Resolve(options)
			if !slices.Equal(r.Instructions, again.Instructions) || len(r.Refs) != len(again.Refs) || len(r.Reads) != len(again.Reads) || r.Whole != again.Whole {
				t.Error("a file means something else at another path")
			}
			for _, ref := range r.Refs {
				if ref.Context == "" {
					t.Errorf("incomplete reference %+v", ref)
				}
			}
			for _, line := range r.Instructions {
				if strings.Contains(line, "\n") {
					t.Errorf("an instruction of several lines: %q", line)
				}
			}
		}
		places(t, list, "f", text)
	})
}
