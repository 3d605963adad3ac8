package source

import (
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// finish applies the defaults of an image and checks what needs more than its
// own file.
func (l *loader) finish(c cell, f *file, from candidate, s *model.Settings) (node, bool) {
	d := c.d
	n := node{Image: d.model}
	i := &n.Image
	i.Dir = from.dir
	named := l.name(&n, c, f, from)
	i.Builder = orDefault(i.Builder, model.BuilderDockerfile)
	l.platforms(i, d, f)
	l.tests(i, d, f)
	l.paths(i, d, f)
	if p, written := d.keys["runner"]; written && !p.bad {
		if _, known := s.Runners[i.Runner]; !known {
			f.errorf(RuleUnknownRunner, p.value.pos, didYouMean(i.Runner, sortedKeys(s.Runners)), "there is no runner class %q", i.Runner)
		}
	}
	if i.Builder == model.BuilderDebian {
		return n, l.debian(i, d, f) && named
	}
	return n, l.dockerfile(i, c, f, from) && named
}

// at is where a key's value is, or where the image is when it is not written.
func (d *description) at(key string, image diag.Pos) diag.Pos {
	if p, written := d.keys[key]; written {
		return p.value.pos
	}
	return image
}

func (l *loader) platforms(i *model.Image, d *description, f *file) {
	if i.GPU {
		if slices.Contains(i.Platforms, model.LinuxARM64) {
			f.errorf(RuleGpuPlatform, d.keys["arch"].value.pos, "write arch: [amd64], or remove arch", "a gpu image is built for amd64 only")
		}
		i.Platforms = []model.Platform{model.LinuxAMD64}
	}
	if len(i.Platforms) == 0 {
		i.Platforms = l.everywhere
	}
}

// tests names those without a name and leaves out those without a command, as
// image.yaml has always been read.
func (l *loader) tests(i *model.Image, d *description, f *file) {
	taken := map[string]bool{}
	for _, t := range d.tests {
		if t.Name != "" && taken[t.Name] {
			f.warnf(RuleDuplicateTest, t.pos, "give each test its own name", "two tests are called %q", t.Name)
		}
		taken[t.Name] = true
	}
	for _, t := range d.tests {
		if !t.hasCmd {
			f.warnf(RuleTestWithoutCommand, t.pos, "add cmd", "the test has no cmd and is skipped")
			continue
		}
		if t.Name == "" {
			t.Name = defaultTest
			for n := 2; taken[t.Name]; n++ {
				t.Name = fmt.Sprintf("%s-%d", defaultTest, n)
			}
			taken[t.Name] = true
		}
		i.Tests = append(i.Tests, t.Test)
	}
}

// paths checks that what is named is there; what is not is left out, so that
// it is reported once.
func (l *loader) paths(i *model.Image, d *description, f *file) {
	i.Context = i.Dir
	if p, written := d.keys["context"]; written && !p.bad {
		dir := inTree(l.dir, d.model.Context)
		if found, ok := l.folder(dir); ok {
			i.Context = found
		} else {
			l.noFolder(f, p.value.pos, dir)
		}
	}
	i.Inputs = nil
	for n, input := range d.model.Inputs {
		input = inTree(l.dir, input)
		if l.folders.exists(input) {
			i.Inputs = append(i.Inputs, input)
			continue
		}
		if found, err := l.resolve(input); err == nil {
			i.Inputs = append(i.Inputs, found)
			continue
		}
		f.errorf(RuleMissingPath, d.keys["inputs"].value.items[n].pos, pathHint, "there is no file or folder %s", input)
	}
	l.contexts(i, d, f)
}

// folder is a folder of the tree, or the one that a link there leads to.
func (l *loader) folder(dir string) (string, bool) {
	if l.folders.has(dir) {
		return dir, true
	}
	if !fs.ValidPath(dir) {
		return "", false
	}
	found, err := l.resolve(dir)
	return found, err == nil && l.folders.has(found)
}

// noFolder reports a folder that the tree does not have: maybe because it is,
// or lies in, a submodule.
func (l *loader) noFolder(f *file, pos diag.Pos, dir string) {
	for at := dir; at != "."; at = path.Dir(at) {
		if e, found := l.tree.Lookup(at); found && e.Mode == model.ModeGitlink {
			f.errorf(RuleMissingPath, pos, "copy what is needed into this repository", "%s is a submodule, whose files are not in this repository", at)
			return
		}
	}
	f.errorf(RuleMissingPath, pos, pathHint, "there is no folder %s", dir)
}

const pathHint = "paths begin at the folder of rootfsgen.yaml, and with a slash at the root of the repository"

// contexts makes folders of named contexts begin at the root of the tree.
func (l *loader) contexts(i *model.Image, d *description, f *file) {
	i.Contexts = nil
	for _, p := range d.keys["contexts"].value.pairs {
		value := p.value.text
		if dir, isFolder := contextFolder(l.dir, value); isFolder {
			found, ok := l.folder(dir)
			if !ok {
				l.noFolder(f, p.value.pos, dir)
				continue
			}
			value = path.Join("/", found)
		}
		if i.Contexts == nil {
			i.Contexts = map[string]string{}
		}
		i.Contexts[p.key] = value
	}
}

// debian checks an image that is made from packages.
func (l *loader) debian(i *model.Image, d *description, f *file) bool {
	l.without(d, f, "with builder: debian", "dockerfile", "context", "contexts", "matrix", "stage", "args", "refresh", "secrets")
	i.Context, i.Contexts, i.Args, i.Stage, i.Secrets = "", nil, nil, "", nil
	for _, name := range l.folders.buildFiles(i.Dir) {
		l.list.Warnf(RuleNotRead, diag.Pos{File: path.Join(i.Dir, name)}, "remove it, or the builder", "this file is not read: the image has builder: debian")
	}
	i.Debian.Variant = orDefault(i.Debian.Variant, defaultVariant)
	if i.Debian.Suite == "" && !d.keys["suite"].bad {
		f.errorf(RuleNeedsSuite, d.keys["builder"].value.pos, "add, for example, suite: trixie", "builder: debian needs a suite")
		return false
	}
	return true
}

// dockerfile finds the build file.
func (l *loader) dockerfile(i *model.Image, c cell, f *file, from candidate) bool {
	d := c.d
	l.without(d, f, "without builder: debian", "variant", "packages", "mirror", "snapshot")
	suite, written := d.keys["suite"]
	switch {
	case d.keys["builder"].bad:
		return false
	case i.Refresh == "" && written && !d.keys["refresh"].bad:
		f.errorf(RuleNoEffect, suite.pos, "add refresh: archive, or remove it", "suite has no effect without refresh: archive")
	case i.Refresh != "" && !written:
		f.errorf(RuleNeedsSuite, d.keys["refresh"].value.pos, "add, for example, suite: trixie", "refresh: archive needs a suite")
	}
	i.Debian = model.Debian{Suite: i.Debian.Suite}
	key, isWritten := d.keys["dockerfile"]
	switch {
	case c.file.text != "":
		return l.writtenFile(i, f, c.file)
	case isWritten && key.bad:
		return false
	case isWritten && from.file != "" && len(from.by.Dockerfiles) > 0:
		f.errorf(RuleNoEffect, key.pos, "remove it, or the folder's root from images in rootfsgen.yaml", "dockerfile has no effect beside dockerfiles in rootfsgen.yaml")
	case isWritten:
		return l.writtenFile(i, f, key.value)
	}
	file := from.file
	if files := l.folders.buildFiles(i.Dir); file == "" {
		if len(files) == 0 || len(files) > 1 && !usualName(files[0]) || len(files) == 1 && !usualName(files[0]) && from.by.Pattern != "" {
			l.noBuildFile(i, f, from.by.Root, files)
			return false
		}
		file = files[0]
	}
	found, ok := l.follow(path.Join(i.Dir, file))
	if !ok {
		l.list.Errorf(RuleNoBuildFile, diag.Pos{File: path.Join(i.Dir, file)}, "", "the link leads to no file of the repository")
		return false
	}
	i.Dockerfile = found
	return true
}

// writtenFile is a build file that image.yaml names.
func (l *loader) writtenFile(i *model.Image, f *file, v value) bool {
	found, ok := l.follow(path.Join(i.Dir, cleanPath(v.text)))
	if !ok {
		f.errorf(RuleNoBuildFile, v.pos, didYouMean(v.text, l.folders.buildFiles(i.Dir)), "there is no file %s", path.Join(i.Dir, v.text))
		return false
	}
	i.Dockerfile = found
	return true
}

func (l *loader) noBuildFile(i *model.Image, f *file, r model.Root, files []string) {
	pos := diag.Pos{File: i.Dir}
	if f.described {
		pos.File = f.path
	}
	if len(files) > 0 {
		l.list.Errorf(RuleNoBuildFile, pos, fmt.Sprintf("set dockerfile in %s, or list them under dockerfiles in rootfsgen.yaml", path.Join(i.Dir, imageFileName)),
			"the folder has no Dockerfile or Containerfile, but %s", strings.Join(files, ", "))
		return
	}
	const message = "the folder has no Dockerfile or Containerfile"
	rel, _ := model.Relative(r.Root, i.Dir)
	switch {
	case f.described:
		l.list.Errorf(RuleNoBuildFile, pos, "add a Dockerfile, or builder: debian to "+path.Join(i.Dir, imageFileName), message)
	case l.buildsBelow(i.Dir):
		l.list.Errorf(RuleNoBuildFile, pos, fmt.Sprintf("for folders within folders, leave out the pattern: images: [{root: %s}]", r.Root), message)
	default: // nothing says that it is an image: images may share its files
		hint := fmt.Sprintf("add a Dockerfile, or leave the folder out: images: [{root: %s, pattern: %q, exclude: [%s]}]", r.Root, r.Pattern, rel)
		l.list.Warnf(RuleNoBuildFile, pos, hint, message+", so it is no image")
	}
}

// buildsBelow tells whether a folder of dir has something to build.
func (l *loader) buildsBelow(dir string) bool {
	for d := range l.folders.files {
		if strings.HasPrefix(d, dir+"/") && len(l.folders.buildFiles(d)) > 0 {
			return true
		}
	}
	return false
}

// without reports keys that have no effect.
func (l *loader) without(d *description, f *file, when string, keys ...string) {
	for _, key := range keys {
		if p, written := d.keys[key]; written && !d.keys["builder"].bad {
			f.errorf(RuleNoEffect, p.pos, "remove it", "%s has no effect %s", key, when)
		}
	}
}

// follow returns the file that p is or that it links to within the tree.
func (l *loader) follow(p string) (string, bool) {
	if e, ok := l.tree.Lookup(p); ok && e.Mode != model.ModeSymlink {
		return p, e.Mode != model.ModeGitlink // no link is in the way of what has an entry of its own
	}
	to, err := l.resolve(p)
	if err != nil {
		return "", false
	}
	e, ok := l.tree.Lookup(to)
	return to, ok && e.Mode != model.ModeGitlink
}
