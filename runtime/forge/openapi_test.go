package forge_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/url"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/santhosh-tekuri/jsonschema/v6"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/internal/forgetest"
)

// descriptionURL names GitHub's description among the schemas.
const descriptionURL = "https://api.github.test/openapi.json"

// description is GitHub's published description of its API.
type description struct {
	paths   map[string]any
	schemas *jsonschema.Compiler
	mu      sync.Mutex
}

var published struct {
	once sync.Once
	*description
	err error
}

// describe reads the description, once for all tests.
func describe(t *testing.T) *description {
	t.Helper()
	root := enginetest.Root(t)
	published.once.Do(func() { published.description, published.err = readDescription(root) })
	if published.err != nil {
		t.Fatal(published.err)
	}
	return published.description
}

func readDescription(root string) (*description, error) {
	f, err := os.Open(filepath.Join(root, ".cache/node/node_modules/@octokit/openapi/generated/api.github.com.json"))
	if err != nil {
		return nil, fmt.Errorf("%w (make node installs it)", err)
	}
	defer f.Close()
	v, err := jsonschema.UnmarshalJSON(f)
	if err != nil {
		return nil, err
	}
	doc, is := v.(map[string]any)
	if !is || doc["openapi"] != "3.0.3" {
		return nil, errors.New("the description is not in OpenAPI 3.0.3")
	}
	asJSONSchema(doc["components"])
	asJSONSchema(doc["paths"])
	c := jsonschema.NewCompiler()
	c.DefaultDraft(jsonschema.Draft4)
	if err := c.AddResource(descriptionURL, doc); err != nil {
		return nil, err
	}
	paths, _ := doc["paths"].(map[string]any)
	return &description{paths: paths, schemas: c}, nil
}

// asJSONSchema makes the schemas of OpenAPI 3.0 say what they mean in a draft
// that validators know: nullable is a keyword of OpenAPI alone.
func asJSONSchema(v any) {
	switch v := v.(type) {
	case []any:
		for _, i := range v {
			asJSONSchema(i)
		}
	case map[string]any:
		for k, i := range v {
			if k != "example" && k != "examples" && k != "enum" {
				asJSONSchema(i)
			}
		}
		if v["nullable"] != true {
			return
		}
		delete(v, "nullable")
		if len(v) > 0 {
			inner := maps.Clone(v)
			clear(v)
			v["anyOf"] = []any{map[string]any{"type": "null"}, inner}
		}
	}
}

// checkExchange holds one request and its answer against the description.
func (d *description) checkExchange(e *forgetest.Exchange) error {
	at, op, err := d.operation(e)
	if err != nil {
		return err
	}
	if err := checkQuery(op, e); err != nil {
		return err
	}
	if op["requestBody"] != nil && len(e.Body) > 0 {
		if err := d.validate(at+"/requestBody/content/application~1json/schema", e.Body); err != nil {
			return fmt.Errorf("the body: %w", err)
		}
	}
	responses, _ := op["responses"].(map[string]any)
	status := strconv.Itoa(e.Status)
	response, has := responses[status].(map[string]any)
	if !has {
		if e.Status >= 400 { // few operations list what can go wrong
			return d.validate("/components/schemas/basic-error", e.Answer)
		}
		return fmt.Errorf("status %d is not among the documented ones", e.Status)
	}
	where := at + "/responses/" + status
	if ref, is := response["$ref"].(string); is {
		where = strings.TrimPrefix(ref, "#")
	}
	return d.validate(where+"/content/application~1json/schema", e.Answer)
}

// operation finds what a request asks for, as a JSON pointer and a value.
func (d *description) operation(e *forgetest.Exchange) (string, map[string]any, error) {
	best, literal := "", -1
	for p := range d.paths {
		if n, fits := template(p, e.Path); fits && n > literal {
			best, literal = p, n
		}
	}
	item, _ := d.paths[best].(map[string]any)
	op, has := item[strings.ToLower(e.Method)].(map[string]any)
	if !has {
		return "", nil, fmt.Errorf("no operation has this method and path")
	}
	return "/paths/" + strings.NewReplacer("~", "~0", "/", "~1").Replace(best) + "/" + strings.ToLower(e.Method), op, nil
}

// template matches a path with one such as /repos/{owner}/git/ref/{ref}, whose
// last part may hold slashes, and counts the parts that are no parameters.
func template(p, path string) (literal int, fits bool) {
	want, got := strings.Split(p, "/"), strings.Split(path, "/")
	if len(got) < len(want) || len(got) > len(want) && !strings.HasSuffix(p, "/{ref}") && !strings.HasSuffix(p, "/{path}") {
		return 0, false
	}
	for i, w := range want {
		if strings.HasPrefix(w, "{") {
			continue
		}
		if w != got[i] {
			return 0, false
		}
		literal++
	}
	return literal, true
}

// checkQuery refuses parameters that the operation does not have.
func checkQuery(op map[string]any, e *forgetest.Exchange) error {
	query, err := url.ParseQuery(e.Query)
	if err != nil {
		return err
	}
	text, err := json.Marshal(op["parameters"])
	if err != nil {
		return err
	}
	for name := range query {
		// A parameter that operations share is named in its reference, such as
		// variables-per-page.
		shared := strings.ReplaceAll(name, "_", "-") + `"`
		if !strings.Contains(string(text), `"name":"`+name+`"`) && !strings.Contains(string(text), "parameters/"+shared) && !strings.Contains(string(text), "-"+shared) {
			return fmt.Errorf("the operation has no parameter %q", name)
		}
	}
	return nil
}

func (d *description) validate(pointer string, text []byte) error {
	d.mu.Lock()
	defer d.mu.Unlock()
	schema, err := d.schemas.Compile(descriptionURL + "#" + strings.NewReplacer("{", "%7B", "}", "%7D").Replace(pointer))
	if err != nil {
		return err
	}
	v, err := jsonschema.UnmarshalJSON(strings.NewReader(string(text)))
	if err != nil {
		return err
	}
	return schema.Validate(v)
}

// checkAnswers holds everything that was asked of a fake GitHub, and what it
// answered, against the description.
func checkAnswers(t *testing.T, h *forgetest.Hub) {
	t.Helper()
	d := describe(t)
	for _, e := range h.Exchanges() {
		if err := d.checkExchange(&e); err != nil {
			t.Errorf("%s %s %d: %v\n%.2000s", e.Method, e.Path, e.Status, err, e.Answer)
		}
	}
}
