package audit_test

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/rogpeppe/go-internal/txtar"

	"github.com/rootfsgen/rootfsgen/generator/audit"
)

var update = flag.Bool("update", false, "write what is found into the archives")

// TestBad holds each audit against a repository that it must object to: in
// testdata is an archive of each audit's name, whose file "want" has exactly
// what the audit finds in the others.
func TestBad(t *testing.T) {
	t.Parallel()
	for _, a := range audit.Audits() {
		path := filepath.Join("testdata", a.Name+".txtar")
		archive, err := txtar.ParseFile(path)
		if err != nil {
			t.Errorf("%s has no bad example: %v", a.Name, err)
			continue
		}
		files, want := map[string][]byte{}, ""
		for _, f := range archive.Files {
			if f.Name == "want" {
				want = string(f.Data)
				continue
			}
			files[f.Name] = f.Data
		}
		got := named(check(t, files, audit.Default()), a.Name)
		if *update {
			for i := range archive.Files {
				if archive.Files[i].Name == "want" {
					archive.Files[i].Data = []byte(got)
				}
			}
			if err := os.WriteFile(path, txtar.Format(archive), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if d := cmp.Diff(want, got); d != "" || got == "" {
			t.Errorf("%s: -want +got:\n%s", a.Name, d)
		}
	}
}

func check(t *testing.T, files map[string][]byte, rules audit.Rules) []audit.Finding {
	t.Helper()
	found, err := audit.Check(files, rules)
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// named are the findings of one audit, one a line.
func named(found []audit.Finding, name string) string {
	var b strings.Builder
	for _, f := range found {
		if f.Audit == name {
			b.WriteString(f.String() + "\n")
		}
	}
	return b.String()
}

// TestAuditsSayWhy keeps the table of the guide whole.
func TestAuditsSayWhy(t *testing.T) {
	t.Parallel()
	guide, err := os.ReadFile("../../docs/guide/hardening.md")
	if err != nil {
		t.Fatal(err)
	}
	seen := map[string]bool{}
	for _, a := range audit.Audits() {
		if seen[a.Name] || a.Name == "" || !strings.HasSuffix(a.Doc, ".") {
			t.Errorf("%q is there twice, or says nothing", a.Name)
		}
		seen[a.Name] = true
		if !strings.Contains(string(guide), "| `"+a.Name+"` | "+a.Doc+" |\n") {
			t.Errorf("docs/guide/hardening.md lacks the line\n| `%s` | %s |", a.Name, a.Doc)
		}
	}
}

// TestTwoReadersSeeOneFile refuses what readers of YAML disagree on.
func TestTwoReadersSeeOneFile(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"anchor": "a: &x 1\n", "merge": "a: {b: 1}\n<<: {c: 2}\n", "two documents": "a: 1\n---\nb: 2\n", "twice": "a: 1\na: 2\n", "nothing": "", "no YAML": "a: [\n",
	} {
		for _, file := range []string{".github/workflows/x.yml", ".gitlab-ci.yml", ".github/dependabot.yml"} {
			if _, err := audit.Check(map[string][]byte{file: []byte(text)}, audit.Default()); err == nil || !strings.Contains(err.Error(), file) {
				t.Errorf("%s: %s: %v", name, file, err)
			}
		}
	}
}
