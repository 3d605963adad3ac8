package source_test

import (
	"bytes"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/santhosh-tekuri/jsonschema/v6"
	"go.yaml.in/yaml/v3"
	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestPublishedSchemas compares schema/*.json with what the program prints.
func TestPublishedSchemas(t *testing.T) {
	t.Parallel()
	for _, name := range source.SchemaNames() {
		got, ok := source.Schema(name)
		if !ok {
			t.Fatalf("no schema %s", name)
		}
		golden(t, filepath.Join("../../schema", name+".json"), got)
	}
	if _, ok := source.Schema("other"); ok {
		t.Error("there is no schema called other")
	}
}

func compileSchema(t rapid.TB, raw []byte) *jsonschema.Schema {
	t.Helper()
	doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(raw))
	if err != nil {
		t.Fatal(err)
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource("mem:///schema.json", doc); err != nil {
		t.Fatal(err)
	}
	s, err := c.Compile("mem:///schema.json")
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestSchemaAgrees judges every file of this repository and of the golden
// trees by the schema: it must accept what the loader accepts, and refuse a
// file with a mistake that a schema can see.
func TestSchemaAgrees(t *testing.T) {
	t.Parallel()
	names := map[string]string{"rootfsgen.yaml": "rootfsgen", "image.yaml": "image", "images.lock": "lock", "scan-policy.yaml": "scan-policy"}
	schemas := map[string]*jsonschema.Schema{}
	for _, name := range names {
		raw, _ := source.Schema(name)
		schemas[name] = compileSchema(t, raw)
	}
	judged := 0
	for _, root := range []string{"testdata", "../../images", "../../examples", "../../rootfsgen.yaml", "../../images.lock", "../policy/testdata"} {
		for _, file := range regularFiles(t, root) {
			name, ours := names[filepath.Base(file)]
			if !ours {
				continue
			}
			raw, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			var v any
			if yaml.Unmarshal(raw, &v) != nil || v == nil {
				continue // broken or empty: the loader's business alone
			}
			v = days(v)
			judged++
			refused := schemas[name].Validate(v)
			if accepted := loaderAccepts(t, file, name, raw); accepted != (refused == nil) {
				t.Errorf("%s: the loader accepts it: %v; the schema says: %v", file, accepted, refused)
			}
		}
	}
	if judged < 6 {
		t.Errorf("only %d files were judged", judged)
	}
}

// days turns what the older YAML of the reader takes for moments back into the
// text that it is in YAML 1.2, and for editors.
func days(v any) any {
	switch v := v.(type) {
	case time.Time:
		return v.Format(time.DateOnly)
	case map[string]any:
		for key := range v {
			v[key] = days(v[key])
		}
	case []any:
		for n := range v {
			v[n] = days(v[n])
		}
	}
	return v
}

func regularFiles(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(p string, d fs.DirEntry, err error) error {
		if os.IsNotExist(err) {
			return nil
		}
		if err == nil && d.Type().IsRegular() {
			files = append(files, p)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// beyondSchema are the mistakes that no schema sees: they need other files, or
// two keys at once, or YAML's own text.
var beyondSchema = []string{
	"duplicate-image", "duplicate-test", "first-key", "gpu-platform", "missing-path", "no-build-file", "no-effect", "no-name",
	"not-read", "shared-scope", "channel-branch", "signing", "self-approved", "long-exception", "test-without-command", "unknown-runner", "duplicate-key", "needs-suite", "unknown-group",
}

func loaderAccepts(t *testing.T, file, name string, raw []byte) bool {
	t.Helper()
	if name == "scan-policy" {
		_, list := source.ParsePolicy(file, raw)
		return !slices.ContainsFunc(list, func(d diag.Diagnostic) bool { return !slices.Contains(beyondSchema, d.Rule) })
	}
	at := map[string]string{"rootfsgen": "rootfsgen.yaml", "image": "images/x/image.yaml", "lock": "images.lock"}[name]
	_, list, err := source.Load(t.Context(), history.Memory(map[string]string{at: string(raw)}), source.Options{})
	if err != nil {
		t.Fatal(file, err)
	}
	for _, d := range list {
		if d.Pos.File == at && !slices.Contains(beyondSchema, d.Rule) {
			return false
		}
	}
	return true
}

// TestSchemaLaw draws texts near the border of what is allowed.
func TestSchemaLaw(t *testing.T) {
	t.Parallel()
	texts := source.Texts()
	for _, name := range slices.Sorted(maps.Keys(texts)) {
		raw, err := texts[name].Schema()
		if err != nil {
			t.Fatal(err)
		}
		schema := compileSchema(t, raw)
		parts := rapid.SampledFrom(strings.Split("a|B|7|0|.|..|-|--|_|__|/|:|+|~|*|?|{name}|(?P<name>|[|)|=|@| |\n|\t|\x00|\x7f|é|\\|$|sha256:|linux/amd64|http://|20261121T000000Z|"+
			strings.Repeat("x", 60)+"|"+strings.Repeat("f", 64), "|"))
		t.Run(name, rapid.MakeCheck(func(t *rapid.T) {
			s := strings.Join(rapid.SliceOfN(parts, 0, 5).Draw(t, "parts"), "")
			accepted, refused := texts[name].Accepts(s), schema.Validate(s)
			if accepted && refused != nil {
				t.Errorf("the loader accepts %q, the schema does not: %v", s, refused)
			}
			if !accepted && refused == nil && texts[name].Exact() {
				t.Errorf("the schema accepts %q, the loader says: not", s)
			}
		}))
	}
}
