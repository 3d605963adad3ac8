package source

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"path"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Options says where the settings come from.
type Options struct {
	Config     string // path of the settings in the tree; DefaultConfig where empty
	ConfigData []byte // the settings themselves, when they lie outside the tree
	LockData   []byte // images.lock.local: what it holds goes before images.lock
}

// LocalLockFile names LockData in diagnostics.
const LocalLockFile = ".cache/images.lock.local"

// Load reads the fleet out of a tree. Mistakes of the files are in the list,
// which may hold warnings only; the fleet then holds what could be
// understood. The error is a tree that cannot be read.
func Load(ctx context.Context, tree model.Tree, o Options) (*model.Fleet, diag.List, error) {
	l := &loader{ctx: ctx, tree: tree, folders: listFolders(tree)}
	config := orDefault(o.Config, DefaultConfig)
	content := o.ConfigData
	if content == nil {
		var err error
		if content, err = l.read(config, config != DefaultConfig); err != nil {
			return nil, nil, err
		}
	}
	s := parseSettings(config, content, &l.list)
	if err := l.loadImages(s); err != nil {
		return nil, nil, err
	}
	lock, err := l.read(LockFile, false)
	if err != nil {
		return nil, nil, err
	}
	fleet := &model.Fleet{Settings: s.model, Images: l.images, Lock: parseLock(lock, LockFile, &l.list)}
	if o.LockData != nil {
		fleet.Lock = overlay(fleet.Lock, parseLock(o.LockData, LocalLockFile, &l.list))
	}
	return fleet, l.list.Sorted().WithLines(func(file string) []byte {
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
	ctx     context.Context
	tree    model.Tree
	folders folders
	list    diag.List
	images  []model.Image
	ids     map[string]diag.Pos
	names   map[string]diag.Pos
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

func (l *loader) loadImages(s settings) error {
	if s.rootsBad {
		return nil // where the images are is not known: all else would be guesses
	}
	l.ids, l.names = map[string]diag.Pos{}, map[string]diag.Pos{}
	seen := map[string]bool{}
	for _, r := range s.roots {
		if !l.folders.has(r.Root.Root) && r.pos.Line > 0 {
			l.list.Errorf(RuleMissingPath, r.pos, "", "there is no folder %s", r.Root.Root)
		}
		for _, link := range l.folders.links(r.Root) {
			l.list.Warnf(RuleNotRead, diag.Pos{File: link}, "copy the folder, or list the link under exclude", "a link to a folder is not read as an image")
		}
		for _, c := range l.folders.find(r.Root) {
			if seen[c.dir] {
				continue
			}
			seen[c.dir] = true
			if err := l.loadImage(c, r.Root, &s.model); err != nil {
				return err
			}
		}
	}
	slices.SortFunc(l.images, func(a, b model.Image) int { return a.Node().Compare(b.Node()) })
	return nil
}

func (l *loader) loadImage(c candidate, r model.Root, s *model.Settings) error {
	file := path.Join(c.dir, imageFileName)
	content, err := l.read(file, false)
	if err != nil {
		return err
	}
	if content == nil {
		if _, other := l.tree.Lookup(path.Join(c.dir, otherFileName)); other {
			l.list.Errorf(RuleNotRead, diag.Pos{File: path.Join(c.dir, otherFileName)}, "rename it to "+imageFileName, "this file is not read")
			return nil
		}
	}
	d, f, ok := parseImage(file, content, &l.list)
	if !ok {
		return nil
	}
	f.described = content != nil
	if image, ok := l.finish(d, f, c, r, s); ok {
		l.images = append(l.images, image)
	}
	return nil
}

// unique reports an image whose id or repository is another's.
func (l *loader) unique(taken map[string]diag.Pos, key, name string, pos diag.Pos) bool {
	first, twice := taken[name]
	if !twice {
		taken[name] = pos
		return true
	}
	l.list.Errorf(RuleDuplicateImage, pos, "", "%s %q is taken already, at %s", key, name, first)
	return false
}
