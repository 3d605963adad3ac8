package buildkit

import (
	"bytes"
	"context"
	"errors"
	"io"
	"io/fs"
	"maps"
	"path"
	"slices"
	"strings"

	"github.com/tonistiigi/fsutil"
	"github.com/tonistiigi/fsutil/types"
)

// dockerfileName is the Dockerfile's in its own context, wherever it lies in
// the tree.
const dockerfileName = "Dockerfile"

// dockerfileFS holds the Dockerfile alone, and an ignore file without
// patterns: the context has been filtered, and a .dockerignore in it must not
// filter it again.
func dockerfileFS(content []byte) flatFS {
	return flatFS{
		dockerfileName:                   content,
		dockerfileName + ".dockerignore": []byte("# the context is filtered already\n"),
	}
}

// flatFS is a few files in one folder. BuildKit's own staticfs shows files
// beside the one that is asked for.
type flatFS map[string][]byte

var _ fsutil.FS = flatFS{}

// Walk shows the target, or all files for the root.
func (f flatFS) Walk(_ context.Context, target string, fn fs.WalkDirFunc) error {
	target = strings.Trim(path.Clean("/"+target), "/")
	for _, name := range slices.Sorted(maps.Keys(f)) {
		if target != "" && target != name {
			continue
		}
		st := &types.Stat{Path: name, Mode: 0o644, Size: int64(len(f[name]))}
		err := fn(name, &fsutil.DirEntryInfo{Stat: st}, nil)
		if errors.Is(err, fs.SkipDir) || errors.Is(err, fs.SkipAll) {
			return nil
		}
		if err != nil {
			return err
		}
	}
	return nil
}

// Open is the content of one file.
func (f flatFS) Open(name string) (io.ReadCloser, error) {
	b, found := f[strings.TrimPrefix(name, "/")]
	if !found {
		return nil, fs.ErrNotExist
	}
	return io.NopCloser(bytes.NewReader(b)), nil
}
