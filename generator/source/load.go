package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Options says where the settings come from.
type Options struct {
	Config     string // path of the settings in the tree; DefaultConfig where empty
	ConfigData []byte // the settings themselves, when they lie outside the tree
	Dir        string // the fleet's folder; where empty, that of Config, and the root of the tree with ConfigData
	LockData   []byte // images.lock.local: what it holds goes before images.lock
}

// dir is the folder that the fleet's paths begin at.
func (o Options) dir() string {
	switch {
	case o.Dir != "":
		return path.Clean(o.Dir)
	case o.ConfigData != nil:
		return "."
	}
	return path.Dir(orDefault(o.Config, DefaultConfig))
}

// LocalLockFile names LockData in diagnostics.
const LocalLockFile = ".cache/images.lock.local"

// Load reads the fleet out of a tree. Mistakes of the files are in the list,
// which may hold warnings only; the fleet then holds what could be
// understood. The error is a tree that cannot be read.
func Load(ctx context.Context, tree model.Tree, o Options) (*model.Fleet, diag.List, error) {
	l := &loader{
		ctx: ctx, tree: tree, dir: o.dir(), outside: o.ConfigData != nil,
		everywhere: []model.Platform{model.LinuxAMD64, model.LinuxARM64},
	}
	config := orDefault(o.Config, DefaultConfig)
	content := o.ConfigData
	if content == nil {
		var err error
		if content, err = l.read(config, path.Base(config) != DefaultConfig); err != nil {
			return nil, nil, err
		}
	}
	s := parseSettings(config, l.dir, content, &l.list)
	l.checkFiles(s)
	if err := l.loadImages(s); err != nil {
		return nil, nil, err
	}
	lockFile := LockPath(l.dir)
	lock, err := l.read(lockFile, false)
	if err != nil {
		return nil, nil, err
	}
	fleet := &model.Fleet{Settings: s.model, Images: l.images, Aliases: l.aliases, Lock: parseLock(lock, lockFile, &l.list)}
	if o.LockData != nil {
		fleet.Lock = overlay(fleet.Lock, parseLock(o.LockData, LocalLockFile, &l.list))
	}
	list := slices.CompactFunc(l.list.Sorted(), func(a, b diag.Diagnostic) bool { return a == b })
	return fleet, list.WithLines(func(file string) []byte {
		if file == config {
			return content
		}
		b, err := tree.Read(ctx, file)
		if err != nil {
			return nil // the place alone must do
		}
		return b
	}), nil
}

// loader collects what one tree says.
type loader struct {
	ctx     context.Context //nolint:containedctx // of one call
	tree    model.Tree
	dir     string // the fleet's
	outside bool   // the settings lie outside the tree
	folders folders
	list    diag.List
	images  []model.Image
	aliases []model.Alias

	// Shared by many images, and changed by nobody:
	undescribed description // of the folders that have none
	everywhere  []model.Platform
}

// read returns a file of the tree, nil where there is none. A file that must
// be there, or that is something else than a file, is a mistake.
func (l *loader) read(file string, must bool) ([]byte, error) {
	e, found := l.tree.Lookup(file)
	pos := diag.Pos{File: file}
	switch {
	case !found && must:
		l.list.Errorf(RuleMissingFile, pos, "name it with --config", "there is no such file")
		return nil, nil
	case !found:
		return nil, nil
	case e.Mode == model.ModeSymlink || e.Mode == model.ModeGitlink:
		l.list.Errorf(RuleNotAFile, pos, "put the file itself here", "this must be a file, not a link")
		return nil, nil
	}
	b, err := l.tree.Read(l.ctx, file)
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading %s: %w", file, err)
	}
	if b == nil {
		b = []byte{}
	}
	return b, nil
}

// checkFiles refuses settings that name a file which is not there.
func (l *loader) checkFiles(s settings) {
	l.checkFile(s.model.Network.CA, s.caAt)
	l.checkFile(s.model.Trust.Root, s.rootAt)
	for _, v := range s.signers {
		for _, p := range v.pairs {
			if p.key == "key" && !p.bad && !strings.Contains(p.value.text, "://") {
				l.checkFile(inTree(l.dir, p.value.text), p.value.pos)
			}
		}
	}
}

func (l *loader) checkFile(file string, named diag.Pos) {
	if file == "" {
		return
	}
	if e, found := l.tree.Lookup(file); !found || e.Mode == model.ModeSymlink || e.Mode == model.ModeGitlink {
		add := l.list.Errorf
		if l.outside {
			add = l.list.Warnf // the settings are for many trees, and not all have all
		}
		add(RuleMissingPath, named, pathHint, "there is no file %s", file)
	}
}

func (l *loader) loadImages(s settings) error {
	if s.rootsBad {
		return nil // where the images are is not known: all else would be guesses
	}
	var rules []rule
	var files pattern
	for _, r := range s.roots {
		rules = append(rules, compileRoot(r))
		files = append(files, rules[len(rules)-1].files...)
	}
	l.folders = listFolders(l.tree, files)
	for i := range rules { // a root may be a link to where the images are
		if dir, found := l.folder(rules[i].Root.Root); found {
			rules[i].Root.Root, s.model.Roots[i].Root = dir, dir
		}
	}
	found := l.candidates(rules)
	nodes := make([]node, 0, len(found)) // more where there is a matrix
	for len(found) > 0 {
		n := slices.IndexFunc(found, func(c candidate) bool { return c.dir != found[0].dir })
		if n < 0 {
			n = len(found)
		}
		if err := l.loadFolder(found[:n], &s.model, &nodes); err != nil {
			return err
		}
		found = found[n:]
	}
	l.settle(nodes)
	slices.SortFunc(l.images, func(a, b model.Image) int { return a.Node().Compare(b.Node()) })
	if len(rules) == 1 && s.roots[0].pos.Line == 0 {
		l.nested(rules[0])
	}
	return l.links(rules)
}

// nested warns of build files below an image's folder where no rule was
// written: only who wrote one has said that they are nothing.
func (l *loader) nested(r rule) {
	built := map[string]bool{}
	for i := range l.images {
		built[l.images[i].Dockerfile] = true
	}
	for _, dir := range l.folders.dirs {
		rel, below := model.Relative(r.Root.Root, dir)
		if !below || hidden(strings.Split(rel, "/")) || !strings.Contains(rel, "/") {
			continue
		}
		for _, name := range l.folders.buildFiles(dir) {
			if file := path.Join(dir, name); !built[file] {
				l.list.Warnf(RuleNotRead, diag.Pos{File: file}, "for folders within folders, write images: [{root: "+r.Root.Root+"}]", "the build file is no image's: images are the folders of %s", r.Root.Root)
			}
		}
	}
}

// candidates are what the rules find, each thing once, sorted by folder.
func (l *loader) candidates(rules []rule) []candidate {
	type thing struct{ dir, file string }
	var out []candidate
	seen, above := make(map[thing]bool, len(l.folders.dirs)), map[string]bool{}
	for _, r := range rules {
		if !l.folders.has(r.Root.Root) && r.pos.Line > 0 {
			add := l.list.Errorf
			if l.outside {
				add = l.list.Warnf // the settings are for many trees, and not all have all
			}
			add(RuleMissingPath, r.pos, "", "there is no folder %s", r.Root.Root)
		}
		found := l.folders.find(r)
		out = slices.Grow(out, len(found))
		for _, c := range found {
			file := c.file
			if files := l.folders.buildFiles(c.dir); file == "" && len(files) > 0 {
				file = files[0]
			}
			if seen[thing{c.dir, file}] {
				continue
			}
			seen[thing{c.dir, file}] = true
			out = append(out, c)
			for d := path.Dir(c.dir); !c.empty && !above[d]; d = path.Dir(d) {
				above[d] = true
			}
		}
	}
	// A folder with nothing in it is a mistake where folders are images and
	// nothing else; where a pattern goes deeper, it is a folder of some image.
	out = slices.DeleteFunc(out, func(c candidate) bool {
		return c.empty && (above[c.dir] || strings.Contains(c.by.Pattern, "/") || strings.Contains(c.by.Pattern, "*"))
	})
	slices.SortStableFunc(out, func(a, b candidate) int { return strings.Compare(a.dir, b.dir) })
	return out
}

// loadFolder reads the images of one folder.
func (l *loader) loadFolder(found []candidate, s *model.Settings, nodes *[]node) error {
	dir := found[0].dir
	at := path.Join(dir, imageFileName)
	var content []byte
	if l.folders.described(dir) {
		var err error
		if content, err = l.read(at, false); err != nil {
			return err
		}
	}
	if content == nil && slices.Contains(l.folders.files[dir], otherFileName) {
		l.list.Errorf(RuleNotRead, diag.Pos{File: path.Join(dir, otherFileName)}, "rename it to "+imageFileName, "this file is not read")
		return nil
	}
	d, f := &l.undescribed, &file{path: at, list: &l.list}
	if content != nil {
		var ok bool
		if d, f, ok = parseImage(at, content, &l.list); !ok {
			return nil
		}
		f.described = true
	}
	for _, cell := range d.cells(f) {
		for _, c := range found {
			if n, ok := l.finish(cell, f, c, s); ok {
				*nodes = append(*nodes, n)
			}
		}
	}
	return nil
}
