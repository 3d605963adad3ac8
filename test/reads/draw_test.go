package reads_test

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// sample is a context and what is done with it.
type sample struct {
	files map[string]history.File // from the root of the tree
	text  string                  // of the Dockerfile
	path  string                  // where it lies
	args  map[string]string
	named map[string]string // named contexts
}

// drawer draws one sample.
type drawer struct {
	*rapid.T
	sample
	paths map[string][]string // of the context and of the named folder, relative to it, folders too
	dir   string              // the one of these that is meant now
	lines []string
}

var names = []string{"a", "b", "c.md", "d d", ".h", "[x]", "é", "A", "a*b", "n\"q", "$v", "e"}

func (d *drawer) one(label string, from ...string) string {
	return rapid.SampledFrom(from).Draw(d.T, label)
}

func (d *drawer) often(label string, of int) bool { return rapid.IntRange(1, of).Draw(d.T, label) == 1 }

func (d *drawer) name() string { return d.one("name", names...) }

func (d *drawer) somePath() string {
	parts := []string{d.name()}
	for rapid.IntRange(0, 2).Draw(d.T, "deeper") > 0 && len(parts) < 3 {
		parts = append(parts, d.name())
	}
	return strings.Join(parts, "/")
}

// put adds a file unless another one is in its way.
func (d *drawer) put(dir, rel string, f history.File) bool {
	full := path.Join(dir, rel)
	for p := path.Dir(full); p != "."; p = path.Dir(p) {
		if _, taken := d.files[p]; taken {
			return false
		}
	}
	for p := range d.files {
		if p == full || strings.HasPrefix(p, full+"/") {
			return false
		}
	}
	d.files[full] = f
	for p := rel; p != "."; p = path.Dir(p) {
		if !slices.Contains(d.paths[dir], p) {
			d.paths[dir] = append(d.paths[dir], p)
		}
	}
	return true
}

func (d *drawer) tree(dir string) {
	d.dir = dir
	for i := range rapid.IntRange(1, 9).Draw(d.T, "files") {
		f := history.File{Content: fmt.Sprintf("%s %d", dir, i)}
		switch rapid.IntRange(0, 5).Draw(d.T, "kind") {
		case 0:
			f.Mode = model.ModeExecutable
		case 1, 2:
			f = history.File{Mode: model.ModeSymlink, Content: d.linkText()}
		}
		d.put(dir, d.somePath(), f)
	}
}

func (d *drawer) linkText() string {
	target := d.somePath()
	if len(d.paths[d.dir]) > 0 && !d.often("anywhere", 4) {
		target = d.one("target", d.paths[d.dir]...)
	}
	return d.one("how", "", "", "/", "../", "./", "../../", "../../../", "a/../") + target
}

func (d *drawer) ignore(dir string) {
	d.dir = dir
	if !d.often("ignore", 2) {
		return
	}
	var lines []string
	for range rapid.IntRange(1, 4).Draw(d.T, "patterns") {
		p := d.source()
		lines = append(lines, d.one("before", "", "", "!", "**/", "!**/", " ", "/")+p+d.one("after", "", "", "/", "/*", "/**", "*"))
	}
	if d.often("nothing but", 5) {
		lines = slices.Insert(lines, 0, "*")
	}
	f := history.File{Content: strings.Join(lines, "\n") + "\n"}
	switch {
	case d.often("beside", 4) && dir == "ctx":
		d.files[d.path+".dockerignore"] = f
	case d.often("linked", 8):
		if d.put(dir, "ignore-file", f) {
			d.put(dir, ".dockerignore", history.File{Mode: model.ModeSymlink, Content: d.one("link", "ignore-file", "/ignore-file", "nowhere")})
		}
	default:
		d.put(dir, ".dockerignore", f)
	}
}

// source is a path that mostly is there, with or without wildcards.
func (d *drawer) source() string {
	p := d.somePath()
	if !d.often("unknown", 30) {
		p = d.one("path", d.paths[d.dir]...)
	}
	if strings.ContainsAny(p, "*[") && !d.often("literal", 4) {
		p = strings.NewReplacer("*", "\\*", "[", "\\[", "]", "\\]").Replace(p)
	}
	if d.often("wild", 2) {
		parts := strings.Split(p, "/")
		i := rapid.IntRange(0, len(parts)-1).Draw(d.T, "which")
		parts[i] = d.one("wildcard", "*", "?", "[ab]", "[^a]", "*.md", "**", "a*", ".*", "[a-c]*", "??*")
		p = strings.Join(parts, "/")
	}
	return p
}

// copied is a source of COPY.
func (d *drawer) copied(parents bool) string {
	if d.often("whole", 12) {
		return d.one("all", ".", "/", "./", "*", "./.")
	}
	p := d.one("prefix", "", "", "", "", "./", "/", "a/../", "../") + d.source() + d.one("suffix", "", "", "", "/", "/.", "//")
	if parents && d.often("pivot", 2) {
		if before, after, found := strings.Cut(p, "/"); found {
			p = before + "/./" + after
		}
	}
	return p
}

func (d *drawer) json(flags []string, sources []string, dest string) string {
	var quoted []string
	for _, s := range append(sources, dest) {
		quoted = append(quoted, `"`+strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(s)+`"`)
	}
	return strings.Join(append(flags, "["+strings.Join(quoted, ", ")+"]"), " ")
}

func (d *drawer) copy(stage int) {
	flags := []string{"COPY"}
	d.dir = "ctx"
	add, parents := d.often("ADD", 6), false
	if add {
		flags[0] = "ADD"
	} else {
		if parents = d.often("parents", 3); parents {
			flags = append(flags, "--parents")
		}
		if d.often("from", 3) {
			choices := []string{"tools"}
			for i := range stage {
				choices = append(choices, fmt.Sprint(i), fmt.Sprintf("s%d", i))
			}
			d.dir = d.one("which", choices...)
			flags = append(flags, "--from="+d.dir)
			if d.dir != "tools" {
				d.dir = "ctx"
			}
		}
	}
	if d.often("link", 5) {
		flags = append(flags, "--link")
	}
	for d.often("exclude", 3) && len(flags) < 6 {
		pattern := strings.ReplaceAll(strings.ReplaceAll(d.one("not", "", "", "!", "**/")+d.source(), " ", "?"), `"`, "?")
		flags = append(flags, "--exclude="+pattern)
	}
	var sources []string
	for range rapid.IntRange(1, 2).Draw(d.T, "sources") {
		s := d.copied(parents)
		switch {
		case d.often("argument", 12):
			s = "${V:-" + d.one("path", d.paths[d.dir]...) + "}/" + d.one("below", "*", "", ".")
		case d.often("variable", 12):
			s = strings.Replace(s, "a", "${X}", 1)
		default:
			s = strings.ReplaceAll(s, "$", `\$`)
		}
		sources = append(sources, s)
	}
	d.lines = append(d.lines, d.json(flags, sources, fmt.Sprintf("/d%d/", len(d.lines))))
}

// mount copies what a mount shows.
func (d *drawer) mount() {
	from := d.one("mounted", "", "", ",from=tools")
	if d.dir = "ctx"; from != "" {
		d.dir = "tools"
	}
	source := strings.NewReplacer(" ", "", `"`, "", "$", "", ",", "").Replace(d.copied(false))
	d.lines = append(d.lines, fmt.Sprintf("RUN --mount=type=bind,source=%s,target=/m%s cp -a /m /copied-%d", source, from, len(d.lines)))
}

func draw(t *rapid.T) *sample {
	d := &drawer{T: t, paths: map[string][]string{}, sample: sample{files: map[string]history.File{}, path: "ctx/Dockerfile", args: map[string]string{}, named: map[string]string{"tools": "/tools"}}}
	if d.often("elsewhere", 8) {
		d.path = "other/Dockerfile.x"
	}
	d.put("tools", "a", history.File{Content: "tools"})
	d.tree("ctx")
	d.tree("tools")
	d.ignore("ctx")
	d.ignore("tools")
	if d.often("given", 3) {
		d.args["V"] = d.name()
	}
	runs := d.often("runs", 6)
	stages := rapid.IntRange(1, 3).Draw(t, "stages")
	for i := range stages {
		from := "scratch"
		switch {
		case i > 0 && d.often("of a stage", 3):
			from = fmt.Sprintf("s%d", rapid.IntRange(0, i-1).Draw(t, "base"))
		case d.often("of the folder", 10):
			from = "tools"
		case runs && i == stages-1:
			from = "busybox"
		}
		d.lines = append(d.lines, fmt.Sprintf("FROM %s AS s%d", from, i), "ARG V", "ENV X="+d.one("X", "a", "b", "", "a*"))
		for range rapid.IntRange(1, 2).Draw(t, "instructions") {
			switch {
			case from == "busybox" && d.often("mount", 2):
				d.mount()
			case d.often("trigger", 8):
				d.copy(i)
				d.lines[len(d.lines)-1] = "ONBUILD " + d.lines[len(d.lines)-1]
			default:
				d.copy(i)
			}
		}
	}
	d.text = strings.Join(d.lines, "\n") + "\n"
	d.files[d.path] = history.File{Content: d.text}
	return &d.sample
}
