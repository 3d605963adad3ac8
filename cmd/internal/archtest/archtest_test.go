package archtest

import (
	"bufio"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "rewrite the expected violations of the fixture")

// TestImports holds the module itself to the rules.
func TestImports(t *testing.T) {
	t.Parallel()
	packages, err := Load(t.Context(), "../../..")
	if err != nil {
		t.Fatal(err)
	}
	if len(packages) < 10 {
		t.Fatalf("the go command lists only %d packages of this module: %v", len(packages), packages)
	}
	for _, v := range Check(packages) {
		t.Error(v)
	}
}

// TestFixture shows that the rules can fail: the module in testdata/bad breaks
// each of them once.
func TestFixture(t *testing.T) {
	t.Parallel()
	packages, err := Load(t.Context(), "testdata/bad")
	if err != nil {
		t.Fatal(err)
	}
	var b strings.Builder
	for _, v := range Check(packages) {
		b.WriteString(v.String() + "\n")
	}
	const golden = "testdata/bad.txt"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(strings.Split(string(want), "\n"), strings.Split(b.String(), "\n")); diff != "" {
		t.Errorf("violations (-want +got); run with -update if they are right:\n%s", diff)
	}
}

// TestMains holds the two programs to a main that only starts something.
func TestMains(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("../../*/main.go")
	if err != nil {
		t.Fatal(err)
	}
	if len(files) != 2 {
		t.Fatalf("expected the main.go of two programs, found %v", files)
	}
	for _, file := range files {
		const most = 20
		if n := linesOfCode(t, file); n > most {
			t.Errorf("%s has %d lines of code, more than %d: move them to where they can be tested", file, n, most)
		}
	}
}

// linesOfCode counts the lines that are neither empty nor a comment.
func linesOfCode(t *testing.T, file string) int {
	t.Helper()
	f, err := os.Open(file)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	n := 0
	s := bufio.NewScanner(f)
	for s.Scan() {
		line := strings.TrimSpace(s.Text())
		if line != "" && !strings.HasPrefix(line, "//") {
			n++
		}
	}
	if err := s.Err(); err != nil {
		t.Fatal(err)
	}
	return n
}
