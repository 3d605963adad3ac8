package source_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// load reads one image.yaml beside a Dockerfile.
func load(t *testing.T, content string) (*model.Fleet, diag.List) {
	t.Helper()
	fleet, list, err := source.Load(t.Context(), history.Memory(map[string]string{
		"images/x/image.yaml": content, "images/x/Dockerfile": "FROM scratch\n",
	}), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return fleet, list
}

// brief is each diagnostic as "rule line:col-end".
func brief(list diag.List) []string {
	var out []string
	for _, d := range list {
		out = append(out, fmt.Sprintf("%s %d:%d-%d", d.Rule, d.Pos.Line, d.Pos.Col, d.Pos.EndCol))
	}
	return out
}

// TestWays reads the same image written in different ways.
func TestWays(t *testing.T) {
	t.Parallel()
	for name, content := range map[string]string{
		"plain":             "label: Ä b\ntags: [a, b]\n",
		"with CRLF":         "label: Ä b\r\ntags: [a, b]\r\n",
		"with a mark":       "\ufefflabel: Ä b\ntags: [a, b]\n",
		"without line end":  "label: Ä b\ntags: [a, b]",
		"quoted":            "\"label\": 'Ä b'\ntags: [\"a\", 'b']\n",
		"escaped":           "label: \"\\u00c4\\x20b\"\ntags: [a, b]\n",
		"blocks":            "label: >-\n  Ä\n  b\ntags:\n- a\n- |-\n  b\n",
		"flow":              "{label: Ä b, tags: [a, b]}\n",
		"explicit keys":     "? label\n: Ä b\n? tags\n: [a, b]\n",
		"one document":      "---\nlabel: Ä b\ntags: [a, b]\n...\n",
		"with a directive":  "%YAML 1.2\n---\nlabel: Ä b\ntags: [a, b]\n",
		"an alias":          "label: &l Ä b\ndescription: *l\ntags: &t [a, b]\nowners: *t\n",
		"comments":          "# first\nlabel: Ä b # one\n\n# two\ntags: # three\n  - a\n  # four\n  - b\n# five\n",
		"a document's mark": "--- # comment\nlabel: Ä b\ntags: [a, b]\n",
	} {
		fleet, list := load(t, content)
		if len(list) > 0 || len(fleet.Images) != 1 {
			t.Errorf("%s: %v", name, list)
			continue
		}
		if i := fleet.Images[0]; i.Label != "Ä b" || !slices.Equal(i.Tags, []string{"a", "b"}) {
			t.Errorf("%s: label %q, tags %q", name, i.Label, i.Tags)
		}
	}
}

// TestPlaces checks lines and columns, which count bytes.
func TestPlaces(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		name, content string
		want          []string
	}{
		{"first line", "lable: x\n", []string{"unknown-key 1:1-6"}},
		{"after a multi-byte text", "{label: ÄÖ, lable: x}\n", []string{"unknown-key 1:15-20"}},
		{"after CRLF", "label: x\r\nlable: x\r\n", []string{"unknown-key 2:1-6"}},
		{"after a mark", "\ufefflable: x\n", []string{"unknown-key 1:1-6"}},
		{"after a block", "description: |\n  one\n\n  two\nlable: x\n", []string{"unknown-key 5:1-6"}},
		{"after a folded block", "description: >-\n  one\n\n  two\n\n\nlable: x\n", []string{"unknown-key 7:1-6"}},
		{"after a quoted text of two lines", "description: \"one\n  two\"\nlable: x\n", []string{"unknown-key 3:1-6"}},
		{"after a plain text of two lines", "description: one\n  two\nlable: x\n", []string{"unknown-key 3:1-6"}},
		{"after comments", "# one\n\n# two\nlabel: x # three\nlable: x\n", []string{"unknown-key 5:1-6"}},
		{"quoted key", "\"lable\": x\n", []string{"unknown-key 1:1-8"}},
		{"in a sequence", "tags:\n  - a\n  - 3.5\n", []string{"unquoted 3:5-8"}},
		{"in a sequence of maps", "tests:\n- name: a\n  cmd: b\n- cdm: c\n  cmd: d\n", []string{"unknown-key 4:3-6"}},
		{"after tabs within a line", "label:\tx\ngpu:\tmaybe\n", []string{"wrong-type 2:6-11"}},
		{"two on one line", "{gpu: 1, prepull: 2}\n", []string{"wrong-type 1:7-8", "wrong-type 1:19-20"}},
		{"at an alias", "label: &x x\ngpu: *x\n", []string{"wrong-type 1:11-12"}},
	} {
		_, list := load(t, tt.content)
		if d := cmp.Diff(tt.want, brief(list)); d != "" {
			t.Errorf("%s (-want +got):\n%s%v", tt.name, d, list)
		}
	}
}

// TestBrokenFiles are files that are refused as a whole.
func TestBrokenFiles(t *testing.T) {
	t.Parallel()
	deep := strings.Repeat("[", 100000)
	for _, tt := range []struct {
		name, content, want string
	}{
		{"no UTF-8", "label: \xff\n", "encoding 1:8-9"},
		{"a cut character", "label: ok\ndescription: \xc3", "encoding 2:14-15"},
		{"UTF-16", "\xff\xfel\x00a\x00", "encoding 1:1-2"},
		{"a zero byte", "label: a\x00b\n", "encoding 1:9-10"},
		{"an escape sequence", "label: \x1b[31mred\n", "encoding 1:8-9"},
		{"a lone carriage return", "label: a\rgpu: true\n", "encoding 1:9-10"},
		{"two documents", "label: x\n---\nlabel: y\n", "multiple-documents 2:1-4"},
		{"an open list", "tags: [a\nlabel: x\n", "syntax 2:1-6"},
		{"an open quote", "label: 'x\n", "syntax 1:8-10"},
		{"two values", "label: a: b\n", "syntax 1:8-9"},
		{"a tab as indentation", "tests:\n\t- cmd: x\n", "syntax 2:1-0"},
		{"text", "just text\n", "wrong-type 1:1-10"},
		{"a list", "- label: x\n", "wrong-type 1:1-2"},
		{"a number", "3\n", "wrong-type 1:1-2"},
		{"nothing said", "null\n", "wrong-type 1:1-5"},
		{"too long", "# " + strings.Repeat("x", 1<<20), "file-too-large 0:0-0"},
		{"too deep", "tags: " + deep, "too-complex 1:71-72"},
		{"too deep on lines", "a:\n" + strings.Repeat("- ", 5000), "too-complex 2:129-130"},
		{"too many keys", strings.Repeat("k: v\n", 6000), "too-complex 5001:2-3"},
		{"an unknown alias", "label: *x\n", "syntax 1:8-9"},
		{"a YAML tag", "label: !!str x\n", "wrong-type 1:8-13"},
		{"an alias of itself", "tags: &x [*x]\n", "wrong-type 1:10-11"},
		{"a merge of itself", "a: &x\n  <<: *x\n<<: *x\n", "too-complex 2:3-5"},
	} {
		fleet, list := load(t, tt.content)
		if got := brief(list); !slices.Contains(got, tt.want) {
			t.Errorf("%s: want %s, got %v %v", tt.name, tt.want, got, list)
		}
		if tt.name != "too many keys" && fleet == nil {
			t.Errorf("%s: no fleet", tt.name)
		}
	}
}

// TestBombs reads files that would take for ever, or all memory, if aliases
// were followed without a limit.
func TestBombs(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	b.WriteString("tags: &a0 [x, x, x, x, x, x, x, x, x]\n")
	for i := 1; i < 20; i++ {
		fmt.Fprintf(&b, "k%d: &a%d [%s]\n", i, i, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*a%d, ", i-1), 9), ", "))
	}
	b.WriteString("owners: *a19\ntests: *a19\n")
	_, list := load(t, b.String())
	if !list.HasErrors() {
		t.Error("a bomb was taken")
	}

	b.Reset()
	b.WriteString("description: x\nlabel: &l x\ntests:\n  - &t {name: " + strings.Repeat("n", 90) + ", cmd: x}\n")
	b.WriteString("packages: &p [" + strings.Repeat("a, ", 20000) + "a]\n")
	b.WriteString("tags: [" + strings.TrimSuffix(strings.Repeat("*p, ", 900), ", ") + "]\n")
	start := time.Now()
	_, list = load(t, b.String())
	t.Logf("%d diagnostics in %v", len(list), time.Since(start))
	if !list.HasErrors() {
		t.Error("a bomb was taken")
	}
}

func TestMergeKeys(t *testing.T) {
	t.Parallel()
	fleet, list := load(t, "tests:\n  - &t {name: one, cmd: first, timeout: 90s}\n  - {<<: *t, name: two}\n  - <<: [{cmd: third}, *t]\n    name: three\n")
	if len(list) > 0 {
		t.Fatal(list)
	}
	want := []model.Test{
		{Name: "one", Cmd: "first", TimeoutSeconds: 90},
		{Name: "two", Cmd: "first", TimeoutSeconds: 90},
		{Name: "three", Cmd: "third", TimeoutSeconds: 90},
	}
	if d := cmp.Diff(want, fleet.Images[0].Tests); d != "" {
		t.Error(d)
	}
	_, list = load(t, "<<: [1]\n")
	if d := cmp.Diff([]string{"wrong-type 1:6-7"}, brief(list)); d != "" {
		t.Error(d)
	}
}

// TestLinks are files that git does not have as files.
func TestLinks(t *testing.T) {
	t.Parallel()
	fleet, list, err := source.Load(t.Context(), history.MemoryFiles(map[string]history.File{
		"rootfsgen.yaml":           {Mode: model.ModeSymlink, Content: "other.yaml"},
		"images/a/Dockerfile":      {Mode: model.ModeSymlink, Content: "../shared.Dockerfile"},
		"images/b/Dockerfile":      {Mode: model.ModeSymlink, Content: "../../../outside"},
		"images/c/Dockerfile":      {Mode: model.ModeSymlink, Content: "Dockerfile"},
		"images/d/Dockerfile":      {Mode: model.ModeSymlink, Content: "/etc/passwd"},
		"images/e/image.yaml":      {Mode: model.ModeSymlink, Content: "../a/image.yaml"},
		"images/e/Dockerfile":      {},
		"images/shared.Dockerfile": {},
	}), source.Options{})
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, d := range list {
		got = append(got, d.Pos.File+" "+d.Rule)
	}
	want := []string{
		"images/b/Dockerfile no-build-file", "images/c/Dockerfile no-build-file", "images/d/Dockerfile no-build-file",
		"images/e/image.yaml not-a-file", "rootfsgen.yaml not-a-file",
	}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
	if i, ok := fleet.Node(model.TargetID{Image: "a", Tag: "0"}); !ok || i.Dockerfile != "images/shared.Dockerfile" {
		t.Errorf("a linked Dockerfile is not followed: %+v", i)
	}
}
