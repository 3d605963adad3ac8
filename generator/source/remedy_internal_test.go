package source

import (
	"maps"
	"regexp"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// TestMissingKeysHaveRemedies reads what the hint of every missing key says to
// write, by the shape of that key.
func TestMissingKeysHaveRemedies(t *testing.T) {
	t.Parallel()
	written := regexp.MustCompile(`^write "(\w+: .+)"$`)
	var walk func(t *testing.T, in table)
	walk = func(t *testing.T, in table) {
		for _, r := range in.rows() {
			if r.required {
				m := written.FindStringSubmatch(r.remedy)
				if m == nil && !strings.HasPrefix(r.remedy, `run "rootfsgen lock`) {
					t.Errorf("%s: %q is no remedy", r.key, r.remedy)
				}
				if m != nil && !strings.Contains(m[1], "...") {
					accepts(t, r, m[1])
				}
			}
			shape := r.inner
			for descend := true; descend; {
				switch s := shape.(type) {
				case list:
					shape = s.of
				case dict:
					shape = s.of
				default:
					descend = false
				}
			}
			if inner, ok := shape.(table); ok {
				walk(t, inner)
			}
		}
	}
	for name, in := range maps.All(map[string]table{"settings": settingsFile, "image": imageFile, "lock": lockFile, "policy": policyFile}) {
		t.Run(name, func(t *testing.T) { t.Parallel(); walk(t, in) })
	}
}

func accepts(t *testing.T, r row, line string) {
	t.Helper()
	var list diag.List
	f, node, ok := openFile("x.yaml", []byte(line+"\n"), maxFile, &list)
	if !ok {
		t.Errorf("%s: %v", line, list)
		return
	}
	entries, _ := f.entries("x", node, "a mapping")
	if len(entries) != 1 || entries[0].key != r.key {
		t.Errorf("%s is not of %s", line, r.key)
		return
	}
	if _, ok := r.inner.read(f, r.key, entries[0].node); !ok {
		t.Errorf("%s: %v", line, list)
	}
}
