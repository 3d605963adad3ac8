package layouts

import (
	"fmt"
	"maps"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// edit is one block of edits.txt.
type edit struct {
	line    string // as it is written
	verb    string
	path    string
	args    []string
	affects []string // nil for nothing
}

// readEdits reads edits.txt: a line that says what is edited, and below it,
// indented, what that affects, sorted.
func readEdits(t *testing.T, lines []string) []edit {
	t.Helper()
	var out []edit
	for _, line := range lines {
		image, indented := strings.CutPrefix(line, "\t")
		if !indented {
			words := strings.Fields(line)
			out = append(out, edit{line: line, verb: words[0], path: words[1], args: words[2:]})
			continue
		}
		if len(out) == 0 {
			t.Fatalf("%q stands below no edit", line)
		}
		if image != "nothing" {
			e := &out[len(out)-1]
			e.affects = append(e.affects, image)
		}
	}
	return out
}

// added is what a new file holds.
const added = "FROM scratch\nLABEL added=1\n"

// apply is the tree after the edit.
func (e edit) apply(t *testing.T, tree files) files {
	t.Helper()
	out := maps.Clone(tree)
	file, there := out[e.path]
	if there == (e.verb == "add") {
		t.Fatalf("%s: the file is there: %t", e.line, there)
	}
	switch e.verb {
	case "add":
		file = history.File{Content: added}
	case "remove":
		delete(out, e.path)
		return out
	case "rename":
		delete(out, e.path)
		out[e.args[0]] = file
		return out
	case "comment":
		file.Content = "# A remark.\n\n" + strings.TrimSuffix(file.Content, "\n") + "\n# Another one.\n"
		if strings.HasPrefix(tree[e.path].Content, "# escape") {
			file.Content = tree[e.path].Content + "# Another one.\n"
		}
	case "change":
		file.Content += changed(e.path)
	case "chmod":
		if file.Mode == model.ModeExecutable {
			file.Mode = model.ModeFile
		} else {
			file.Mode = model.ModeExecutable
		}
	case "relink":
		file.Content = e.args[0]
	case "resubmodule":
		file.Content = "another commit"
	case "replace":
		before := file.Content
		if file.Content = strings.ReplaceAll(before, e.args[0], e.args[1]); file.Content == before {
			t.Fatalf("%s: there is no %q", e.line, e.args[0])
		}
	default:
		t.Fatalf("%s: what is %q?", e.line, e.verb)
	}
	out[e.path] = file
	return out
}

// changed is what is put to the end of a file to change what it means.
func changed(path string) string {
	base := path[strings.LastIndexByte(path, '/')+1:]
	if strings.HasPrefix(strings.ToLower(base), "dockerfile") {
		return "LABEL changed=1\n"
	}
	return fmt.Sprintf("# changed %s\n", base)
}
