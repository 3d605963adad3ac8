package traps

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// all is how many traps there are.
const all = 32

// TestDocs keeps docs/traps.md, the tests and the mutants together: a row for
// each trap, with the test and the patch that there are.
func TestDocs(t *testing.T) {
	t.Parallel()
	var tests []string
	files, err := filepath.Glob("trap*_test.go")
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range files {
		text, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range regexp.MustCompile(`(?m)^func (TestTrap\d\d\w+)\(t \*testing\.T\)`).FindAllStringSubmatch(string(text), -1) {
			tests = append(tests, m[1])
		}
	}
	text, err := os.ReadFile("../../docs/traps.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := regexp.MustCompile("(?m)^\\| (\\d\\d) \\| [^|]+ \\| [^|]+ \\| `(\\w+)` \\| \\[(\\d\\d)\\]\\(\\.\\./(testdata/mutants/\\d\\d\\.patch)\\) \\|$").FindAllStringSubmatch(string(text), -1)
	var documented []string
	for i, row := range rows {
		number := fmt.Sprintf("%02d", i+1)
		if row[1] != number || row[3] != number || row[4] != "testdata/mutants/"+number+".patch" {
			t.Errorf("row %d is %q", i+1, row[1:])
		}
		if _, err := os.Stat("../../" + row[4]); err != nil {
			t.Error(err)
		}
		documented = append(documented, row[2])
	}
	if diff := cmp.Diff(tests, documented); diff != "" || len(rows) != all {
		t.Errorf("docs/traps.md has %d rows; the tests, and what it names:\n%s", len(rows), diff)
	}
}
