package gate_test

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// sarifSchema is where the published schema of SARIF 2.1.0 lies, as far as it
// is pinned: a package for tests brings it along.
const sarifSchema = ".cache/node/node_modules/@microsoft/jest-sarif/lib/schemas/sarif-2.1.0-rtm.5.json"

var published struct {
	once   sync.Once
	schema *jsonschema.Schema
	err    error
}

// publishedSARIF is the schema that OASIS has published.
func publishedSARIF(t *testing.T) *jsonschema.Schema {
	t.Helper()
	file := filepath.Join(enginetest.Root(t), sarifSchema)
	published.once.Do(func() { published.schema, published.err = readSchema(file) })
	if published.err != nil {
		t.Fatal(published.err)
	}
	return published.schema
}

func readSchema(file string) (*jsonschema.Schema, error) {
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("%w (make node installs it)", err)
	}
	defer f.Close()
	doc, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, err
	}
	c := jsonschema.NewCompiler()
	c.AssertFormat()
	if err := c.AddResource("mem:///sarif.json", doc); err != nil {
		return nil, err
	}
	return c.Compile("mem:///sarif.json")
}

// TestSARIFIsWhatWasPublished holds what is written against the published
// schema, which our own rules of TestSARIF are narrower than, and shows that it
// would find a fault. GitLab publishes its schemas in no package.
func TestSARIFIsWhatWasPublished(t *testing.T) {
	t.Parallel()
	schema := publishedSARIF(t)
	check := func(text []byte) error {
		doc, err := jsonschema.UnmarshalJSON(bytes.NewReader(text))
		if err != nil {
			return err
		}
		return schema.Validate(doc)
	}
	for _, s := range [][]gate.Subject{nil, subjects()[:2], subjects()} {
		var b bytes.Buffer
		if err := gate.WriteSARIF(&b, s, "1.2.3"); err != nil {
			t.Fatal(err)
		}
		if err := check(b.Bytes()); err != nil {
			t.Errorf("%d subjects: %v\n%s", len(s), err, b.String())
		}
		for old, fault := range map[string]string{`"version": "2.1.0"`: `"version": "2.0.0"`, `"runs"`: `"run"`} {
			if err := check(bytes.Replace(b.Bytes(), []byte(old), []byte(fault), 1)); err == nil {
				t.Errorf("%s is taken", fault)
			}
		}
	}
}
