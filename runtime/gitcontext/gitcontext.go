// Package gitcontext serves a build's context from git's objects: exactly the
// files that were hashed, whatever lies in the work tree.
package gitcontext

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
	"time"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Objects is where the content of files is.
type Objects interface {
	// Size is the length of an object in bytes. The error wraps fs.ErrNotExist
	// when there is no such object.
	Size(ctx context.Context, oid string) (int64, error)
	// Open is the content of an object. It must be closed.
	Open(ctx context.Context, oid string) (io.ReadCloser, error)
}

// LargeObjects is where the content of files is that git LFS keeps. Objects may
// implement it.
type LargeObjects interface {
	// Large is the content whose SHA-256 is sum, in hexadecimal. The error wraps
	// fs.ErrNotExist when it was never fetched. It must be closed.
	Large(ctx context.Context, sum string) (io.ReadCloser, error)
}

// FS is a set of files as BuildKit takes them: owned by root, modes 0644 and
// 0755, one constant time, and the folders that they lie in. It is safe for
// concurrent use.
type FS struct {
	ctx     context.Context //nolint:containedctx // fsutil.FS opens files without one
	objects Objects
	entries []entry
	oids    map[string]string // by path
	large   map[string]pointer
	id      string
}

// entry is what Walk shows of one file or folder.
type entry struct {
	path string
	mode os.FileMode
	size int64
	link string
	// unsent entries are seen by who follows links, and not by who sends files.
	unsent bool
}

var _ fsutil.FS = (*FS)(nil)

// maxLink bounds the text of a symlink.
const maxLink = 4096

// New makes a context of files, whose paths are relative to its root. Reading
// stops when ctx ends. A submodule, a path that leaves the context and an
// object that is not there are errors.
func New(ctx context.Context, objects Objects, files []model.TreeEntry) (*FS, error) {
	f := &FS{ctx: ctx, objects: objects, oids: map[string]string{}, large: map[string]pointer{}}
	sum := sha256.New()
	seen := map[string]bool{}
	for _, file := range files {
		if err := model.CheckPath(file.Path); err != nil {
			return nil, fmt.Errorf("reading the context: %w", err)
		}
		if seen[file.Path] {
			return nil, fmt.Errorf("reading the context: %s is listed twice", file.Path)
		}
		seen[file.Path] = true
		e, err := f.entry(ctx, file)
		if err != nil {
			return nil, err
		}
		f.entries = append(f.entries, e)
	}
	for dir, sent := range folders(files) {
		if seen[dir] {
			return nil, fmt.Errorf("reading the context: %s is both a file and a folder", dir)
		}
		f.entries = append(f.entries, entry{path: dir, mode: fs.ModeDir | 0o755, unsent: !sent})
	}
	slices.SortFunc(f.entries, func(a, b entry) int { return order(a.path, b.path) })
	for _, e := range f.entries {
		fmt.Fprintf(sum, "%q %o %s\n", e.path, e.mode, f.oids[e.path]+e.link)
		if e.unsent {
			fmt.Fprintf(sum, "%q is not sent\n", e.path)
		}
	}
	f.id = hex.EncodeToString(sum.Sum(nil))
	return f, nil
}

func (f *FS) entry(ctx context.Context, file model.TreeEntry) (entry, error) {
	e := entry{path: file.Path}
	switch file.Mode {
	case model.ModeFile:
		e.mode = 0o644
	case model.ModeExecutable:
		e.mode = 0o755
	case model.ModeSymlink, model.ModeUnsentLink:
		e.mode, e.unsent = fs.ModeSymlink|0o777, file.Mode == model.ModeUnsentLink
	case model.ModeFolder:
		e.mode = fs.ModeDir | 0o755
		return e, nil
	case model.ModeGitlink:
		return e, fmt.Errorf("reading the context: %s is a submodule, and its files are not in this repository", file.Path)
	default:
		return e, fmt.Errorf("reading the context: %s has the unknown mode %o", file.Path, file.Mode)
	}
	if file.OID == "" && e.mode.IsRegular() {
		f.oids[file.Path] = ""
		return e, nil
	}
	size, err := f.objects.Size(ctx, file.OID)
	if err != nil {
		return e, missing(file.Path, err)
	}
	if e.mode&fs.ModeSymlink == 0 {
		e.size, f.oids[file.Path] = size, file.OID
		return e, f.pointer(ctx, &e)
	}
	if size > maxLink {
		return e, fmt.Errorf("reading the context: the symlink %s is longer than %d bytes", file.Path, maxLink)
	}
	text, err := ReadAll(ctx, f.objects, file.OID)
	if err != nil {
		return e, missing(file.Path, err)
	}
	e.link = string(text)
	return e, nil
}

func missing(path string, err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("reading %s from git: %w\nhint: the checkout lacks it; fetch with 'filter: blob:none' and a remote that answers, or without a filter", path, err)
	}
	return fmt.Errorf("reading %s from git: %w", path, err)
}

// folders are all the folders that the files lie in, and whether a file that is
// sent is among these.
func folders(files []model.TreeEntry) map[string]bool {
	dirs := map[string]bool{}
	for _, file := range files {
		sent := file.Mode != model.ModeUnsentLink
		for d := path.Dir(file.Path); d != "."; d = path.Dir(d) {
			if known, found := dirs[d]; found && (known || !sent) {
				break
			}
			dirs[d] = sent
		}
	}
	return dirs
}

// order is the one in which BuildKit wants files: by parts, a folder before
// what is in it.
func order(a, b string) int {
	return strings.Compare(strings.ReplaceAll(a, "/", "\x00"), strings.ReplaceAll(b, "/", "\x00"))
}

// ID is the same for the same files with the same content, and for no others.
func (f *FS) ID() string { return f.id }

// Walk calls fn for target and what is below it, in BuildKit's order.
// fs.SkipDir and fs.SkipAll mean what they mean for fs.WalkDir. Who follows
// links asks for "." and for single paths, and who sends files for "/", as
// fsutil does.
func (f *FS) Walk(ctx context.Context, target string, fn fs.WalkDirFunc) error {
	sends := target == "/" || target == ""
	target = strings.Trim(path.Clean("/"+target), "/")
	skipped := "\x00" // the folder that fn has had enough of; no path is in this one
	for _, e := range f.entries {
		if err := ctx.Err(); err != nil {
			return err
		}
		if !below(e.path, target) || below(e.path, skipped) || sends && e.unsent {
			continue
		}
		// A new Stat each time: who walks may change it.
		st := &types.Stat{
			Path: e.path, Mode: uint32(e.mode), Size: e.size, Linkname: e.link,
			ModTime: time.Unix(model.SourceDateEpoch, 0).UnixNano(),
		}
		switch err := fn(e.path, &fsutil.DirEntryInfo{Stat: st}, nil); {
		case err == nil:
		case errors.Is(err, fs.SkipAll):
			return nil
		case !errors.Is(err, fs.SkipDir):
			return err
		case e.mode.IsDir():
			skipped = e.path
		case path.Dir(e.path) == ".":
			return nil // the rest of the root
		default:
			skipped = path.Dir(e.path)
		}
	}
	return nil
}

// below tells whether p is dir or lies in it; everything is below "".
func below(p, dir string) bool { return dir == "" || p == dir || strings.HasPrefix(p, dir+"/") }

// Open is the content of one file: of a pointer of git LFS the file that it
// stands for.
func (f *FS) Open(p string) (io.ReadCloser, error) {
	name := strings.TrimPrefix(path.Clean("/"+p), "/")
	if l, found := f.large[name]; found {
		return f.openLarge(p, l)
	}
	oid, found := f.oids[name]
	if !found {
		return nil, fmt.Errorf("reading %s: %w", p, fs.ErrNotExist)
	}
	if oid == "" {
		return io.NopCloser(strings.NewReader("")), nil
	}
	r, err := f.objects.Open(f.ctx, oid)
	if err != nil {
		return nil, missing(p, err)
	}
	return r, nil
}

// ReadAll is the whole content of one object.
func ReadAll(ctx context.Context, o Objects, oid string) ([]byte, error) {
	r, err := o.Open(ctx, oid)
	if err != nil {
		return nil, err
	}
	b, err := io.ReadAll(r)
	return b, errors.Join(err, r.Close())
}
