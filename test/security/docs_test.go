package security

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

var (
	named    = regexp.MustCompile("`([a-z][a-z0-9/]*) ((?:Test|Fuzz)[A-Za-z0-9]+)`")
	declared = regexp.MustCompile(`(?m)^func ((?:Test|Fuzz)[A-Za-z0-9]+)\(`)
)

// TestGuaranteesNameTheirTests demands a test for each guarantee, and that each
// of these tests is there.
func TestGuaranteesNameTheirTests(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../docs/security.md")
	if err != nil {
		t.Fatal(err)
	}
	guarantees, _, found := strings.Cut(string(text), "# The threat model")
	if !found {
		t.Fatal("docs/security.md has no threat model")
	}
	known := map[string]map[string]bool{}
	rows := 0
	for line := range strings.Lines(guarantees) {
		if !strings.HasPrefix(line, "| ") || strings.HasPrefix(line, "| Guarantee") {
			continue
		}
		rows++
		tests := named.FindAllStringSubmatch(line, -1)
		if len(tests) == 0 {
			t.Errorf("nothing shows it: %s", line)
		}
		for _, m := range tests {
			if known[m[1]] == nil {
				known[m[1]] = testsOf(t, m[1])
			}
			if !known[m[1]][m[2]] {
				t.Errorf("%s has no test %s: %s", m[1], m[2], line)
			}
		}
	}
	const least = 30
	if rows < least {
		t.Errorf("%d guarantees were found, fewer than %d", rows, least)
	}
}

// testsOf are the names of a package's tests and fuzz targets.
func testsOf(t *testing.T, dir string) map[string]bool {
	t.Helper()
	files, err := filepath.Glob(filepath.Join("../..", dir, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for _, f := range files {
		b, err := os.ReadFile(f)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range declared.FindAllSubmatch(b, -1) {
			out[string(m[1])] = true
		}
	}
	return out
}
