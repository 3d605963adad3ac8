package channel

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/runtime/flock"
)

// File keeps documents in a folder of this machine.
type File struct {
	Dir string
}

var _ Store = (*File)(nil)

// String is the folder.
func (f *File) String() string { return f.Dir }

// Read implements Store.
func (f *File) Read(_ context.Context, name string) ([]byte, string, error) {
	if err := checkName(name); err != nil {
		return nil, "", err
	}
	doc, err := os.ReadFile(filepath.Join(f.Dir, name))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, "", nil
	}
	if err != nil {
		return nil, "", fmt.Errorf("reading channel: %w", err)
	}
	return doc, versionOf(doc), nil
}

// Write implements Store. A lock that the kernel takes back from a process
// that dies makes comparing and renaming one step.
func (f *File) Write(ctx context.Context, name string, doc []byte, old string) error {
	if err := checkName(name); err != nil {
		return err
	}
	if err := os.MkdirAll(f.Dir, 0o755); err != nil {
		return fmt.Errorf("writing channel: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(f.Dir, ".lock"))
	if err != nil {
		return fmt.Errorf("locking channel %s: %w", f.Dir, err)
	}
	defer unlock()
	_, version, err := f.Read(ctx, name)
	if err != nil {
		return err
	}
	if version != old {
		return ErrConflict
	}
	if err := f.replace(name, doc); err != nil {
		return fmt.Errorf("writing channel: %w", err)
	}
	return nil
}

// replace is called with the lock held, so one name for the unfinished file
// does, and what a crash left is written over.
func (f *File) replace(name string, doc []byte) error {
	path := filepath.Join(f.Dir, name)
	unfinished := filepath.Join(f.Dir, "."+name+".new")
	w, err := os.OpenFile(unfinished, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o644)
	if err != nil {
		return err
	}
	_, err = w.Write(doc)
	err = errors.Join(err, w.Sync(), w.Close())
	if err != nil {
		return err
	}
	return os.Rename(unfinished, path)
}
