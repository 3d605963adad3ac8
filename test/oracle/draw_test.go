package oracle

import (
	"fmt"
	"maps"
	"math/bits"
	"path"
	"slices"
	"strings"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// drawn is one image of a fleet that is being drawn.
type drawn struct {
	t      *rapid.T
	name   string
	dir    string // its folder
	base   string // the folder that its files are put in
	prefix string // of its files in the context, "" or with a slash at its end
	all    files
	older  []*drawn // that it may be built from
	uses   map[string]bool
	shell  bool     // what it makes can run programs
	wants  bool     // its stages should be able to
	heirs  []string // files that its children need for its triggers

	head   []string // of the Dockerfile
	stages []*drawnStage
	args   map[string]string // of image.yaml
	named  map[string]string // contexts of image.yaml
}

type drawnStage struct {
	*drawn
	name  string
	index int
	shell bool
	lines []string
	n     int // destinations so far
}

// pool is the files that a context may have; all of them can be named by the
// instructions that are drawn.
var pool = []string{
	"a.txt", "b.txt", "c.md", "run.sh", "d/e.txt", "d/f/g.txt", "d/f/h.sh", "d/.keep", "sub/e.txt", "sub/f/g.txt", "linux-amd64/bin", "linux-arm64/bin",
	"linux/amd64/x", "link", "dlink", "d/back", "d/up", "broken", "README.md", ".hidden", "onb.txt", "on/deep.txt", "pack.tar", "sp ace.txt", "tests/t.sh", "a/txt",
}

// links are the symlinks of the pool.
var links = map[string]string{"link": "a.txt", "dlink": "d", "d/back": "../b.txt", "d/up": "..", "broken": "nowhere"}

func (d *drawn) bool(label string) bool { return rapid.Bool().Draw(d.t, label) }

// oneIn is true once in n times.
func (d *drawn) oneIn(n int, label string) bool { return below(d.t, n, label) == 0 }

func (d *drawn) pick(label string, of ...string) string { return of[below(d.t, len(of), label)] }

// below is a number from 0 up to n, each as likely as any other: rapid's own
// numbers are mostly small, and would draw the first constructs of a list
// only.
func below(t *rapid.T, n int, label string) int {
	for {
		x := 0
		for range bits.Len(uint(n - 1)) {
			x *= 2
			if rapid.Bool().Draw(t, label) {
				x++
			}
		}
		if x < n {
			return x
		}
	}
}

// put makes a file of the pool, if nothing is in its way.
func (d *drawn) put(p string) {
	full := path.Join(d.base, p)
	if !d.all.free(full) {
		return
	}
	f := history.File{Content: d.name + " " + p + "\n"}
	switch target, isLink := links[p]; {
	case isLink:
		f = history.File{Mode: model.ModeSymlink, Content: target}
	case strings.HasSuffix(p, ".sh"):
		f.Mode = model.ModeExecutable
	case strings.HasSuffix(p, ".tar"):
		f.Content = markTar + f.Content
	}
	d.all[full] = f
}

// need makes files of the pool and returns them as the Dockerfile names them.
func (d *drawn) need(paths ...string) string {
	var out []string
	for _, p := range paths {
		d.put(p)
		out = append(out, d.prefix+p)
	}
	return strings.Join(out, " ")
}

// context is the folder that the Dockerfile's paths begin at.
func (d *drawn) context() string {
	return path.Clean("./" + strings.TrimSuffix(d.base+"/", d.prefix))
}

// triggered makes files that a trigger of the base reads.
func (d *drawn) triggered(paths ...string) {
	for _, p := range paths {
		if full := path.Join(d.context(), p); d.all.free(full) {
			d.all.put(full, d.name+" "+p+"\n")
		}
	}
}

func (d *drawn) use(constructs ...string) {
	for _, c := range constructs {
		d.uses[c] = true
	}
}

func (s *drawnStage) add(format string, args ...any) {
	s.lines = append(s.lines, fmt.Sprintf(format, args...))
}

// dest is a place in the image, mostly one of its own.
func (s *drawnStage) dest() string {
	if s.oneIn(4, "shared dest") {
		return "/x/"
	}
	s.n++
	return fmt.Sprintf("/x%d/", s.n)
}

// samples draws a fleet and its edits.
func samples() *rapid.Generator[*sample] {
	return rapid.Custom(func(t *rapid.T) *sample {
		s := &sample{then: files{}, uses: map[string][]string{}}
		s.then.put("rootfsgen.yaml", "version: 1\n")
		s.then.put("images.lock", lockBefore)
		s.then.put("README.md", "a fleet\n")
		names := []string{"base", "tool", "app", "web", "job"}[:2+below(t, 4, "images")]
		arch := "amd64"
		switch below(t, 16, "arch") {
		case 0:
			arch = "arm64"
		case 1:
			arch = "[amd64, arm64]"
		}
		var all []*drawn
		for _, name := range names {
			d := &drawn{
				t: t, name: name, dir: "images/" + name, base: "images/" + name, all: s.then, older: slices.Clone(all),
				uses: map[string]bool{}, args: map[string]string{}, named: map[string]string{},
			}
			d.draw(arch)
			s.uses[name] = slices.Sorted(maps.Keys(d.uses))
			all = append(all, d)
		}
		s.now = maps.Clone(s.then)
		e := &editor{t: t, files: s.now, images: all}
		for range 1 + below(t, 3, "edits") {
			e.edit()
		}
		s.edits = e.done
		return s
	})
}

// draw makes one image.
func (d *drawn) draw(arch string) {
	yaml := "arch: " + arch + "\n"
	switch {
	case d.oneIn(8, "context"):
		d.prefix = d.base + "/"
		yaml += "context: " + d.pick("whole context", ".", "images") + "\n"
		if strings.HasSuffix(yaml, "images\n") {
			d.prefix = d.name + "/"
		}
		d.use("context-elsewhere")
	case d.oneIn(8, "shared"):
		d.base = "shared"
		yaml += "context: shared\n"
		d.use("context-elsewhere")
	}
	for _, p := range pool {
		if p == "broken" && !d.oneIn(6, p) {
			continue // no wildcard can match it: BuildKit fails
		}
		if d.oneIn(2, p) {
			d.put(p)
		}
	}
	d.wants = arch == "amd64" && d.oneIn(6, "shell")
	target := d.dockerfile()
	if target != "" {
		yaml += "stage: " + target + "\n"
		d.use("stage")
	}
	if len(d.args) > 0 {
		yaml += "args:\n"
		for _, name := range slices.Sorted(maps.Keys(d.args)) {
			yaml += fmt.Sprintf("  %s: %q\n", name, d.args[name])
		}
	}
	if len(d.named) > 0 {
		yaml += "contexts:\n"
		for _, name := range slices.Sorted(maps.Keys(d.named)) {
			yaml += fmt.Sprintf("  %q: %q\n", name, d.named[name])
		}
	}
	if d.bool("described") {
		yaml += "label: Label of " + d.name + "\ndescription: For a test\ntests:\n  - {name: one, cmd: \"true\"}\n"
	}
	d.all.put(d.dir+"/image.yaml", yaml)
	file := "Dockerfile"
	if d.oneIn(8, "Containerfile") {
		file = "Containerfile"
	}
	var b strings.Builder
	for _, line := range d.head {
		b.WriteString(line + "\n")
	}
	for _, s := range d.stages {
		for _, line := range s.lines {
			b.WriteString(line + "\n")
		}
	}
	d.all.put(d.dir+"/"+file, b.String())
	d.ignore(file)
}

// ignores are patterns; more than one of them can be in a file.
var ignores = []string{
	"*.md", "tests", "**/*.sh", "!d/f/h.sh", ".hidden", "d/f", "!d/f/g.txt", "*", "!a.txt", "!d", "README.md", "**/e.txt", "sub", "dlink", "Dockerfile", "# nothing", "d/*/g.txt", "!on*", "link", "images/*/c.md",
}

// ignore writes an ignore file, or none.
func (d *drawn) ignore(dockerfile string) {
	if !d.oneIn(3, "ignore file") {
		return
	}
	var lines []string
	for range 1 + below(d.t, 3, "patterns") {
		p := d.pick("pattern", ignores...)
		if p == "*" && d.oneIn(2, "not all") {
			p = "*.tmp"
		}
		if strings.HasPrefix(p, "!") {
			d.use("ignore-negation")
		}
		lines = append(lines, p)
	}
	d.use("ignore")
	where := path.Join(d.context(), ".dockerignore")
	if d.oneIn(4, "beside") {
		where = d.dir + "/" + dockerfile + ".dockerignore"
		d.use("ignore-beside")
	}
	d.all.put(where, strings.Join(lines, "\n")+"\n")
}

// dockerfile draws the stages, and returns which of them image.yaml asks for,
// empty for the last.
func (d *drawn) dockerfile() (target string) {
	if d.oneIn(12, "escape") {
		d.head = append(d.head, "# escape=`")
		d.use("escape")
	}
	d.head = append(d.head, "ARG PLACE=d", "ARG KIND=txt")
	count := []int{1, 1, 1, 2, 2, 3}[below(d.t, 6, "stages")]
	for i := range count {
		d.stage(i, i == count-1)
	}
	last := d.stages[count-1]
	d.shell = last.shell
	if count > 1 && d.oneIn(5, "stage") {
		s := d.stages[below(d.t, count-1, "target")]
		if s.name != "" {
			d.shell = s.shell
			return s.name
		}
	}
	d.unreached()
	return ""
}

// unreached tells whether a stage is there that nothing names.
func (d *drawn) unreached() {
	text := ""
	for _, s := range d.stages[1:] {
		text += strings.Join(s.lines, "\n") + "\n"
	}
	for _, s := range d.stages[:len(d.stages)-1] {
		if !strings.Contains(text, "="+s.name) && !strings.Contains(text, "FROM "+s.name) && !strings.Contains(text, fmt.Sprintf("--from=%d", s.index)) {
			d.use("unreached-stage")
		}
	}
}

// stage draws a FROM and what follows.
func (d *drawn) stage(i int, last bool) {
	s := &drawnStage{drawn: d, index: i, n: 10 * i}
	from := d.from(s)
	if !last || d.oneIn(4, "named last") {
		s.name = d.pick("stage name", "build", "tools", "one", "base", "app", d.name)
		if slices.ContainsFunc(d.stages, func(o *drawnStage) bool { return o.name == s.name }) {
			s.name = fmt.Sprintf("stage%d", i)
		}
		if slices.ContainsFunc(d.older, func(o *drawn) bool { return o.name == s.name }) {
			d.use("stage-called-like-image")
		}
		from += " AS " + s.name
	}
	s.add("%s", from)
	for range 1 + below(d.t, 4, "instructions") {
		s.instruction()
	}
	d.stages = append(d.stages, s)
}

// from draws the FROM of a stage.
func (d *drawn) from(s *drawnStage) string {
	kind := d.pick("from", "scratch", "scratch", "scratch", "parent", "parent", "parent", "stage", "outside", "outside")
	switch {
	case d.wants && d.oneIn(2, "busybox"):
		s.shell = true
		return "FROM " + markBusybox
	case kind == "parent" && len(d.older) > 0:
		p := d.parent()
		s.shell = p.shell
		d.use("parent")
		if len(p.heirs) > 0 {
			d.use("onbuild-of-fleet")
			d.triggered(p.heirs...)
		}
		switch name := p.name + d.pick("tag", "", "", ":latest", ":0"); d.pick("how", "plain", "plain", "argument", "given", "platform") {
		case "argument":
			d.use("argument-in-from")
			d.head = append(d.head, fmt.Sprintf("ARG PARENT%d=%s", s.index, name))
			return fmt.Sprintf("FROM ${PARENT%d}", s.index)
		case "given":
			d.use("argument-in-from")
			d.head = append(d.head, fmt.Sprintf("ARG PARENT%d", s.index))
			d.args[fmt.Sprintf("PARENT%d", s.index)] = name
			return fmt.Sprintf("FROM $PARENT%d", s.index)
		case "platform":
			return "FROM --platform=$TARGETPLATFORM " + name
		default:
			return "FROM " + name
		}
	case kind == "stage" && s.index > 0 && d.stages[s.index-1].name != "":
		s.shell = d.stages[s.index-1].shell
		d.use("from-stage")
		return "FROM " + d.stages[s.index-1].name
	case kind == "outside" && d.oneIn(6, "named"):
		d.use("from-named-context")
		if d.bool("folder") {
			d.need("sub/e.txt")
			d.named["start"] = "/" + d.base + "/sub"
			return "FROM start"
		}
		d.named["start:1"] = markBase + ":env"
		return "FROM start:1"
	case kind == "outside":
		tag := d.pick("outside", "plain", "env", "env", "trigger", "trigger")
		d.use("outside-" + tag)
		if tag == "trigger" {
			d.triggered("onb.txt")
		}
		return "FROM " + markBase + ":" + tag
	}
	return "FROM scratch"
}

func (d *drawn) parent() *drawn { return d.older[below(d.t, len(d.older), "parent")] }
