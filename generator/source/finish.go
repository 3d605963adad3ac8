package source

import (
	"fmt"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// finish applies the defaults of an image and checks what needs more than its
// own file.
func (l *loader) finish(d description, f *file, c candidate, r model.Root, s *model.Settings) (model.Image, bool) {
	i := d.model
	i.Dir = c.dir
	named := l.name(&i, d, f, c)
	i.Label = orDefault(i.Label, i.ID)
	i.ComponentVersion = orDefault(i.ComponentVersion, "0")
	i.Builder = orDefault(i.Builder, model.BuilderDockerfile)
	if i.Context == "" {
		i.Context = c.dir
	}
	l.platforms(&i, d, f)
	l.tests(&i, d, f)
	l.paths(&i, d, f)
	if p, written := d.keys["runner"]; written && !p.bad {
		if _, known := s.Runners[i.Runner]; !known {
			f.errorf(RuleUnknownRunner, p.value.pos, didYouMean(i.Runner, sortedKeys(s.Runners)), "there is no runner class %q", i.Runner)
		}
	}
	if i.Builder == model.BuilderDebian {
		return i, l.debian(&i, d, f) && named
	}
	return i, l.dockerfile(&i, d, f, r) && named
}

// name settles id and repository, which must be unique.
func (l *loader) name(i *model.Image, d description, f *file, c candidate) bool {
	where := diag.Pos{File: c.dir}
	if f.described {
		where.File = f.path
	} else if files := l.folders.buildFiles(c.dir); len(files) > 0 {
		where.File = path.Join(c.dir, files[0])
	}
	if d.keys["id"].bad {
		return false
	}
	if i.ID == "" {
		i.ID = c.name
		if !l.folderName(c, where) {
			return false
		}
	}
	i.ImageName = orDefault(i.ImageName, i.ID)
	if !l.unique(l.ids, "id", i.ID, d.at("id", where)) {
		return false // its repository follows from the id, or is the smaller mistake
	}
	return !d.keys["image_name"].bad && l.unique(l.names, "image_name", i.ImageName, d.at("image_name", where))
}

// folderName checks the name that a folder gives to its image.
func (l *loader) folderName(c candidate, where diag.Pos) bool {
	hint := "set id in " + path.Join(c.dir, imageFileName)
	if c.name == "" {
		l.list.Errorf(RuleNoName, where, hint, "the image in the root of the repository has no name")
		return false
	}
	if err := model.CheckImageName(c.name); err != nil {
		l.list.Errorf(RuleNoName, where, "rename the folder, or "+hint, "the folder's name cannot be an image's: %s", err)
		return false
	}
	return true
}

// at is where a key's value is, or where the image is when it is not written.
func (d description) at(key string, image diag.Pos) diag.Pos {
	if p, written := d.keys[key]; written {
		return p.value.pos
	}
	return image
}

func (l *loader) platforms(i *model.Image, d description, f *file) {
	if i.GPU {
		if slices.Contains(i.Platforms, model.LinuxARM64) {
			f.errorf(RuleGpuPlatform, d.keys["arch"].value.pos, "write arch: [amd64], or remove arch", "a gpu image is built for amd64 only")
		}
		i.Platforms = []model.Platform{model.LinuxAMD64}
	}
	if len(i.Platforms) == 0 {
		i.Platforms = []model.Platform{model.LinuxAMD64, model.LinuxARM64}
	}
}

// tests names those without a name and leaves out those without a command, as
// image.yaml has always been read.
func (l *loader) tests(i *model.Image, d description, f *file) {
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
func (l *loader) paths(i *model.Image, d description, f *file) {
	if p, written := d.keys["context"]; written && !p.bad && !l.folders.has(i.Context) {
		f.errorf(RuleMissingPath, p.value.pos, "paths begin at the root of the repository", "there is no folder %s", i.Context)
		i.Context = i.Dir
	}
	there := i.Inputs[:0:0]
	for n, input := range i.Inputs {
		if l.folders.exists(input) {
			there = append(there, input)
			continue
		}
		f.errorf(RuleMissingPath, d.keys["inputs"].value.items[n].pos, "paths begin at the root of the repository", "there is no file or folder %s", input)
	}
	i.Inputs = there
}

// debian checks an image that is made from packages.
func (l *loader) debian(i *model.Image, d description, f *file) bool {
	l.without(d, f, "with builder: debian", "dockerfile", "context", "stage", "args", "refresh")
	i.Context, i.Args, i.Stage = "", nil, ""
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
func (l *loader) dockerfile(i *model.Image, d description, f *file, r model.Root) bool {
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
	if p, written := d.keys["dockerfile"]; written {
		if p.bad {
			return false
		}
		found, ok := l.follow(path.Join(i.Dir, cleanPath(d.dockerfile)))
		if !ok {
			f.errorf(RuleNoBuildFile, p.value.pos, didYouMean(d.dockerfile, l.folders.buildFiles(i.Dir)), "there is no file %s", path.Join(i.Dir, d.dockerfile))
			return false
		}
		i.Dockerfile = found
		return true
	}
	files := l.folders.buildFiles(i.Dir)
	if len(files) == 0 || len(files) > 1 && !usualName(files[0]) || len(files) == 1 && !usualName(files[0]) && r.Pattern != "" {
		l.noBuildFile(i, f, r, files)
		return false
	}
	found, ok := l.follow(path.Join(i.Dir, files[0]))
	if !ok {
		l.list.Errorf(RuleNoBuildFile, diag.Pos{File: path.Join(i.Dir, files[0])}, "", "the link leads to no file of the repository")
		return false
	}
	i.Dockerfile = found
	return true
}

func usualName(name string) bool { return name == "Dockerfile" || name == "Containerfile" }

func (l *loader) noBuildFile(i *model.Image, f *file, r model.Root, files []string) {
	pos := diag.Pos{File: i.Dir}
	if f.described {
		pos.File = f.path
	}
	if len(files) > 0 {
		l.list.Errorf(RuleNoBuildFile, pos, fmt.Sprintf("set dockerfile in %s", path.Join(i.Dir, imageFileName)),
			"the folder has no Dockerfile or Containerfile, but %s", strings.Join(files, ", "))
		return
	}
	hint := "add a Dockerfile, or builder: debian to " + path.Join(i.Dir, imageFileName)
	if rel, _ := relative(r.Root, i.Dir); !f.described {
		hint = fmt.Sprintf("add a Dockerfile, or leave the folder out: images: [{root: %s, pattern: %q, exclude: [%s]}]", r.Root, r.Pattern, rel)
		for dir := range l.folders.files {
			if strings.HasPrefix(dir, i.Dir+"/") && len(l.folders.buildFiles(dir)) > 0 {
				hint = fmt.Sprintf("for folders within folders, leave out the pattern: images: [{root: %s}]", r.Root)
			}
		}
	}
	l.list.Errorf(RuleNoBuildFile, pos, hint, "the folder has no Dockerfile or Containerfile")
}

// without reports keys that have no effect.
func (l *loader) without(d description, f *file, when string, keys ...string) {
	for _, key := range keys {
		if p, written := d.keys[key]; written && !d.keys["builder"].bad {
			f.errorf(RuleNoEffect, p.pos, "remove it", "%s has no effect %s", key, when)
		}
	}
}

// follow returns the file that p is or that it links to within the tree.
func (l *loader) follow(p string) (string, bool) {
	for range 16 {
		e, ok := l.tree.Lookup(p)
		switch {
		case !ok || e.Mode == model.ModeGitlink:
			return "", false
		case e.Mode != model.ModeSymlink:
			return p, true
		}
		link, err := l.tree.Read(l.ctx, p)
		if err != nil || strings.HasPrefix(string(link), "/") {
			return "", false
		}
		p = path.Join(path.Dir(p), string(link))
	}
	return "", false
}
