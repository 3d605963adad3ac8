package source

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// row is one key as the reference pages show it.
type row struct {
	key, value, def, doc string
	remedy               string
	required             bool
	inner                shape
}

// table is a record as the reference pages show it.
type table interface{ rows() []row }

func (r record[T]) rows() []row {
	var out []row
	for _, f := range r.fields {
		out = append(out, row{key: f.key, value: f.shape.words(), def: defaultText(f.def, f.defWords), doc: f.doc, required: f.required, remedy: f.remedy, inner: f.shape})
	}
	return out
}

func defaultText(def any, words string) string {
	if words != "" || def == nil {
		return words
	}
	b, err := json.Marshal(def)
	if err != nil {
		panic(err)
	}
	return "`" + strings.Trim(strings.NewReplacer(`","`, ", ", `["`, "[", `"]`, "]").Replace(string(b)), `"`) + "`"
}

// page writes the keys of one table, and below it those of the tables within.
func page(b *strings.Builder, title string, t table, level int) {
	keysOf := regexp.MustCompile(` with the keys of .*$`)
	fmt.Fprintf(b, "%s %s\n\n| key | value | default | meaning |\n| --- | --- | --- | --- |\n", strings.Repeat("#", level), title)
	type below struct {
		title string
		table table
	}
	var inner []below
	for _, r := range t.rows() {
		def := r.def
		if r.required {
			def = "(must be there)"
		}
		fmt.Fprintf(b, "| `%s` | %s | %s | %s |\n", r.key, keysOf.ReplaceAllString(r.value, ""), def, r.doc)
		shape, path := r.inner, r.key
		for descend := true; descend; {
			switch s := shape.(type) {
			case list:
				shape, path = s.of, path+"[]"
			case dict:
				shape, path = s.of, path+".NAME"
			default:
				descend = false
			}
		}
		if t, ok := shape.(table); ok {
			inner = append(inner, below{path, t})
		}
	}
	b.WriteByte('\n')
	for _, i := range inner {
		name := "`" + i.title + "`"
		if level > 1 {
			name = strings.TrimSuffix(title, "`") + "." + i.title + "`"
		}
		page(b, name, i.table, level+1)
	}
}

// TestReference compares docs/reference with the tables.
func TestReference(t *testing.T) {
	t.Parallel()
	const generated = "<!-- Written by the tests of generator/source from the table that the loader reads with; rewrite with -update. -->\n\n"
	for _, p := range []struct {
		file, title, intro string
		table              table
	}{
		{"rootfsgen.yaml", "rootfsgen.yaml", "Settings of the fleet, in the folder that the fleet lies in: mostly the root of the repository. Without the file everything has its default.\n" +
			"Unknown keys are errors. `rootfsgen schema rootfsgen` prints the JSON schema; `rootfsgen init` writes a first file.", settingsFile},
		{"image.yaml", "image.yaml", "What an image is, in `images/<name>/image.yaml`. A folder with only a Dockerfile or Containerfile is an image too.\n" +
			"Unknown keys are errors. `rootfsgen schema image` prints the JSON schema.", imageFile},
		{"images.lock", "images.lock", "What the world outside the repository looked like when it was last looked at. `rootfsgen lock` writes it; nobody else should.\n" +
			"`rootfsgen schema lock` prints the JSON schema.", lockFile},
		{PolicyFile, PolicyFile, "What is asked of an image's findings before it is merged and promoted: docs/guide/gate.md. The file lies beside\n" +
			"`rootfsgen.yaml`; without it every key has its default, and `CRITICAL`, `HIGH` and `UNKNOWN` findings, those that are known to be\n" +
			"exploited, malicious packages and secrets block. Unknown keys are errors. `rootfsgen schema scan-policy` prints the JSON schema;\n" +
			"`rootfsgen init --scan-policy` writes a first file.", policyFile},
	} {
		var b strings.Builder
		var body strings.Builder
		page(&body, p.title, p.table, 1)
		head, rest, _ := strings.Cut(body.String(), "\n\n")
		b.WriteString(generated + head + "\n\n" + p.intro + "\n\n" + strings.TrimSpace(rest) + "\n")
		comparePage(t, filepath.Join("../../docs/reference", p.file+".md"), b.String())
	}
}

func comparePage(t *testing.T, file, got string) {
	t.Helper()
	if f := flag.Lookup("update"); f != nil && f.Value.String() == "true" {
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), got); d != "" {
		t.Errorf("%s (-want +got), rewrite it with -update:\n%s", file, d)
	}
}
