package oracle

import (
	"maps"
	"path"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// editor edits a tree.
type editor struct {
	t      *rapid.T
	files  files
	images []*drawn
	done   []string
}

// edits are the kinds of edits. One that finds nothing to edit does nothing
// and returns false.
func edits() []struct {
	name   string
	weight int
	edit   func(*editor) bool
} {
	return []struct {
		name   string
		weight int
		edit   func(*editor) bool
	}{
		{"content", 4, (*editor).content},
		{"add", 4, (*editor).add},
		{"delete", 3, (*editor).remove},
		{"rename", 3, (*editor).rename},
		{"mode", 2, (*editor).mode},
		{"ignore file", 4, (*editor).ignore},
		{"arguments", 2, (*editor).arguments},
		{"comment", 1, (*editor).comment},
		{"blanks", 2, (*editor).blanks},
		{"file and folder", 2, (*editor).swap},
		{"link", 3, (*editor).link},
		{"instruction", 4, (*editor).instruction},
		{"value", 4, (*editor).value},
		{"readme", 1, func(e *editor) bool {
			p := path.Join(e.pick("where", ".", e.image().dir, "images"), "README.md")
			if len(e.files.below(p)) > 0 {
				return false
			}
			e.files.put(p, "edited\n")
			return true
		}},
		{"description", 1, func(e *editor) bool {
			return e.change(e.image().dir+"/image.yaml", func(s string) string { return s + "owners: [me]\n" })
		}},
		{"tests", 2, func(e *editor) bool {
			return e.change(e.image().dir+"/image.yaml", func(s string) string { return strings.Replace(s, "\"true\"", "\"test -e /x\"", 1) })
		}},
		{"bases", 2, func(e *editor) bool { e.files.put("images.lock", lockAfter); return true }},
		{"stage", 4, func(e *editor) bool {
			return e.change(e.image().dir+"/image.yaml", func(s string) string {
				if !strings.Contains(s, "stage: ") {
					return s
				}
				return "# no stage\n" + strings.Replace(s, "stage: ", "# stage: ", 1)
			})
		}},
	}
}

func (e *editor) pick(label string, of ...string) string {
	return of[below(e.t, len(of), label)]
}

func (e *editor) image() *drawn { return e.images[below(e.t, len(e.images), "image")] }

// edit does one of them, and tries others where one finds nothing to do.
func (e *editor) edit() {
	var from []int
	for i, x := range edits() {
		for range x.weight {
			from = append(from, i)
		}
	}
	for range 6 {
		x := edits()[from[below(e.t, len(from), "edit")]]
		if x.edit(e) {
			e.done = append(e.done, x.name)
			return
		}
	}
}

// change edits a file's text; false when nothing changed.
func (e *editor) change(p string, edit func(string) string) bool {
	f, found := e.files[p]
	if !found {
		return false
	}
	old := f.Content
	f.Content = edit(old)
	e.files[p] = f
	return f.Content != old
}

// some is any file that is not the fleet's own, of one image mostly; empty for
// none.
func (e *editor) some(keep func(p string, f history.File) bool) string {
	var of []string
	for p, f := range e.files {
		special := p == "rootfsgen.yaml" || p == "images.lock" || path.Base(p) == "image.yaml" || strings.HasSuffix(p, "ockerfile") || strings.HasSuffix(p, "Containerfile") || strings.HasSuffix(p, "ignore")
		if !special && (keep == nil || keep(p, f)) {
			of = append(of, p)
		}
	}
	if len(of) == 0 {
		return ""
	}
	slices.Sort(of)
	return of[below(e.t, len(of), "file")]
}

func plainFile(_ string, f history.File) bool { return f.Mode != model.ModeSymlink }

func (e *editor) content() bool {
	return e.change(e.some(plainFile), func(s string) string { return s + "edited\n" })
}

func (e *editor) add() bool {
	p := path.Join(e.image().base, e.pick("new", append([]string{"d/new", "new.txt", "d/f/z.txt", "e.txt", "z/g.txt", "linux-amd64/z", "on2", "dlink/new", ".dot", "sub/d/f/g.txt", "CON.TXT", "A.txt", "ä.txt"}, pool...)...))
	if !e.files.free(p) {
		return false
	}
	e.files.put(p, "new\n")
	if e.pick("kind", "file", "file", "link") == "link" {
		e.files[p] = history.File{Mode: model.ModeSymlink, Content: e.pick("target", "a.txt", "d", "nowhere", "/d/e.txt", "d/f")}
	}
	return true
}

func (e *editor) remove() bool {
	p := e.some(nil)
	delete(e.files, p)
	return p != ""
}

func (e *editor) rename() bool {
	p := e.some(nil)
	if p == "" {
		return false
	}
	f := e.files[p]
	to := path.Join(path.Dir(p), e.pick("name", path.Base(p)+"2", "z.txt", strings.ToUpper(path.Base(p)), "deeper/"+path.Base(p), "../"+path.Base(p)))
	delete(e.files, p)
	if strings.HasPrefix(to, "../") || !e.files.free(to) {
		e.files[p] = f
		return false
	}
	e.files[to] = f
	return true
}

func (e *editor) mode() bool {
	p := e.some(plainFile)
	if p == "" {
		return false
	}
	f := e.files[p]
	f.Mode = map[uint32]uint32{0: model.ModeExecutable, model.ModeExecutable: 0}[f.Mode]
	e.files[p] = f
	return true
}

// ignore edits an ignore file or makes one.
func (e *editor) ignore() bool {
	d := e.image()
	var of []string
	for p := range e.files {
		if strings.HasSuffix(p, ".dockerignore") {
			of = append(of, p)
		}
	}
	of = append(of, path.Join(d.context(), ".dockerignore"), d.dir+"/Dockerfile.dockerignore")
	slices.Sort(of)
	p := e.pick("ignore file", of...)
	lines := strings.SplitAfter(e.files[p].Content, "\n")
	switch e.pick("how", "append", "prepend", "drop", "delete") {
	case "append":
		lines = append(lines, e.pick("pattern", ignores...)+"\n")
	case "prepend":
		lines = append([]string{e.pick("pattern", ignores...) + "\n"}, lines...)
	case "drop":
		lines = lines[1:]
	default:
		_, found := e.files[p]
		delete(e.files, p)
		return found
	}
	e.files.put(p, strings.Join(lines, ""))
	return true
}

func (e *editor) arguments() bool {
	return e.change(e.image().dir+"/image.yaml", func(s string) string {
		name, value := e.pick("argument", "PLACE", "LOCAL", "KIND"), e.pick("value", "d", "sub", "txt", "md")
		if before, after, found := strings.Cut(s, "args:\n"); found {
			if strings.Contains(after, "  "+name+":") {
				return s
			}
			return before + "args:\n  " + name + ": " + value + "\n" + after
		}
		return s + "args:\n  " + name + ": " + value + "\n"
	})
}

// dockerfile is the path of an image's.
func (e *editor) dockerfile() string {
	d := e.image()
	if p := d.dir + "/Containerfile"; !e.files.free(p) {
		return p
	}
	return d.dir + "/Dockerfile"
}

func (e *editor) comment() bool {
	return e.change(e.dockerfile(), func(s string) string {
		if strings.HasPrefix(s, "# escape") {
			return s + "# edited\n"
		}
		return "# edited\n\n" + s + "\n# edited\n"
	})
}

func (e *editor) blanks() bool {
	return e.change(e.dockerfile(), func(s string) string {
		switch e.pick("blanks", "case", "double", "continued") {
		case "case":
			return strings.ReplaceAll(s, "\nCOPY ", "\ncopy ")
		case "double":
			return strings.ReplaceAll(s, "\nCOPY ", "\nCOPY   ")
		default:
			if strings.HasPrefix(s, "# escape") {
				return s
			}
			return strings.ReplaceAll(s, "\nCOPY ", "\nCOPY \\\n  # edited\n  ")
		}
	})
}

// swap makes a folder of a file, or a file of a folder.
func (e *editor) swap() bool {
	p := e.some(nil)
	if p == "" {
		return false
	}
	if e.pick("to", "folder", "file") == "folder" {
		f := e.files[p]
		delete(e.files, p)
		e.files[p+"/inside"] = f
		return true
	}
	dir := path.Dir(p)
	if !slices.ContainsFunc(e.images, func(d *drawn) bool { return strings.HasPrefix(dir, d.base+"/") }) {
		return false
	}
	for _, below := range e.files.below(dir) {
		delete(e.files, dir+"/"+below)
	}
	e.files.put(dir, "was a folder\n")
	return true
}

// link turns a link elsewhere, or a file into a link.
func (e *editor) link() bool {
	p := e.some(func(_ string, f history.File) bool { return f.Mode == model.ModeSymlink })
	if p == "" || e.pick("which", "link", "link", "file") == "file" {
		p = e.some(nil)
	}
	if p == "" {
		return false
	}
	e.files[p] = history.File{Mode: model.ModeSymlink, Content: e.pick("target", "b.txt", "sub", "d/e.txt", "d/f", "./a.txt", "/a.txt", "gone", "link")}
	return true
}

// instruction edits a line of a Dockerfile, of any stage.
func (e *editor) instruction() bool {
	return e.change(e.dockerfile(), func(s string) string {
		lines := strings.SplitAfter(s, "\n")
		var of []int
		for i, l := range lines {
			if strings.HasPrefix(l, "COPY ") || strings.HasPrefix(l, "ADD ") || strings.HasPrefix(l, "ENV ") || strings.HasPrefix(l, "LABEL ") {
				of = append(of, i)
			}
		}
		if len(of) == 0 {
			return s
		}
		i := of[below(e.t, len(of), "line")]
		switch e.pick("how", "dest", "delete", "append", "label") {
		case "dest":
			lines[i] = strings.Replace(lines[i], " /x", " /y", 1)
		case "delete":
			if !strings.Contains(lines[i], "<<") {
				lines[i] = ""
			}
		case "append":
			lines[i] = "COPY a.txt /again/\n" + lines[i]
		default:
			lines[i] = "LABEL edited=true\n" + lines[i]
		}
		return strings.Join(lines, "")
	})
}

// value edits what an argument, a variable or a here-document holds.
func (e *editor) value() bool {
	return e.change(e.dockerfile(), func(s string) string {
		old := e.pick("old", "PLACE=d", "KIND=txt", "FOLDER=d", "LOCAL=d", "raw ", "kind $", "echo one", "COMMIT1", "one/x", "commit")
		return strings.ReplaceAll(s, old, map[string]string{
			"PLACE=d": "PLACE=sub", "KIND=txt": "KIND=md", "FOLDER=d": "FOLDER=sub", "LOCAL=d": "LOCAL=sub", "raw ": "cooked ", "kind $": "sort $",
			"echo one": "echo three", "COMMIT1": "COMMIT2", "one/x": "one/z", "commit": "commits",
		}[old])
	})
}

// kinds are the names of all edits.
func kinds() []string {
	all := map[string]bool{}
	for _, x := range edits() {
		all[x.name] = true
	}
	return slices.Sorted(maps.Keys(all))
}
