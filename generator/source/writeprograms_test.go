package source_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

func pinnedRelease(version, url string) model.Programs {
	p := model.Programs{Version: version, URL: url, SHA256: map[string]string{}}
	for i, key := range model.ProgramKeys() {
		p.SHA256[key] = strings.Repeat(string("1234"[i]), 64)
	}
	return p
}

func TestWritePrograms(t *testing.T) {
	t.Parallel()
	p := pinnedRelease("v1.2.3", model.ProgramsURL)
	block := `programs: # rootfsgen lock --programs VERSION
  version: "v1.2.3"
  sha256:
    rootfsgen-linux-amd64: "` + strings.Repeat("1", 64) + `"
    rootfsgen-linux-arm64: "` + strings.Repeat("2", 64) + `"
    rootfsrun-linux-amd64: "` + strings.Repeat("3", 64) + `"
    rootfsrun-linux-arm64: "` + strings.Repeat("4", 64) + `"
`
	for name, c := range map[string]struct{ before, want string }{
		"none yet":        {"# ours\nversion: 1\nruntime: release # soon\n", "# ours\nversion: 1\nruntime: release # soon\n\n" + block},
		"without an end":  {"version: 1", "version: 1\n\n" + block},
		"another":         {"version: 1\nprograms:\n  version: v1\n  # a comment of its own\n  sha256: {}\n\n# next\ndetect: folder\n", "version: 1\n" + block + "\n# next\ndetect: folder\n"},
		"the last":        {"version: 1\nprograms:\n  version: v1\n  sha256: {}\n\n\n", "version: 1\n" + block + "\n\n"},
		"on one line":     {"version: 1\nprograms: {version: v1, sha256: {}}\ndetect: folder\n", "version: 1\n" + block + "detect: folder\n"},
		"the same":        {"version: 1\n" + block, "version: 1\n" + block},
		"Windows":         {"version: 1\r\ndetect: folder\r\n", strings.ReplaceAll("version: 1\ndetect: folder\n\n"+block, "\n", "\r\n")},
		"in a long value": {"version: 1\nargs:\n  A: |\n    programs:\n      version: x\n", "version: 1\nargs:\n  A: |\n    programs:\n      version: x\n\n" + block},
	} {
		got, err := source.WritePrograms([]byte(c.before), p)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		if d := cmp.Diff(c.want, string(got)); d != "" {
			t.Errorf("%s (-want +got):\n%s", name, d)
		}
	}
}

// What a program cannot put in safely is for a person to write, who is told
// what.
func TestWriteProgramsLeavesAlone(t *testing.T) {
	t.Parallel()
	p := pinnedRelease("v1.2.3", "https://mirror.example.com/{version}/{program}-{arch}")
	p.Commit = strings.Repeat("a1", 20)
	for name, before := range map[string]string{
		"a quoted key":      "version: 1\n\"programs\": {version: v1, sha256: {}}\n",
		"the whole on one":  "{version: 1, detect: folder}\n",
		"a bracket outside": "version: 1\nprograms: {version: v1, sha256: {}\n}\n",
		"two documents":     "version: 1\n---\nversion: 1\n",
		"an anchor":         "version: 1\nprograms: {version: v1, sha256: &s {}}\nargs: *s\n",
	} {
		got, err := source.WritePrograms([]byte(before), p)
		if err == nil {
			t.Errorf("%s: wrote\n%s", name, got)
			continue
		}
		for _, line := range []string{`  version: "v1.2.3"`, `  url: "https://mirror.example.com/{version}/{program}-{arch}"`, `  commit: "` + p.Commit + `"`} {
			if !strings.Contains(err.Error(), line+"\n") {
				t.Errorf("%s: %q is not in:\n%v", name, line, err)
			}
		}
	}
}
