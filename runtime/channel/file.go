package channel

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/runtime/flock"
)

// File keeps documents in a folder of this machine, and every version of them
// in "versions" below it.
type File struct {
	Dir string
	Now func() time.Time // nil is the clock
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
	if err := os.MkdirAll(f.versions(name), 0o755); err != nil {
		return fmt.Errorf("writing channel: %w", err)
	}
	unlock, err := flock.Lock(ctx, filepath.Join(f.Dir, ".lock"))
	if err != nil {
		return fmt.Errorf("locking channel %s: %w", f.Dir, err)
	}
	defer unlock()
	current, version, err := f.Read(ctx, name)
	if err != nil {
		return err
	}
	if version != old {
		return ErrConflict
	}
	if err := f.keep(name, current, doc); err != nil {
		return fmt.Errorf("writing channel: %w", err)
	}
	if err := replace(filepath.Join(f.Dir, name), doc); err != nil {
		return fmt.Errorf("writing channel: %w", err)
	}
	return nil
}

// versions is the folder of a document's versions.
func (f *File) versions(name string) string { return filepath.Join(f.Dir, "versions", name) }

// keep stores the version that doc will be, and today's where nobody has.
func (f *File) keep(name string, current, doc []byte) error {
	now := time.Now
	if f.Now != nil {
		now = f.Now
	}
	var last link
	if current != nil {
		links, err := f.links(name)
		if err != nil {
			return err
		}
		var kept bool
		if last, kept = tip(links, current); !kept {
			if err := replace(f.path(name, last), current); err != nil {
				return err
			}
		}
	}
	return replace(f.path(name, last.after(doc, now())), doc)
}

func (f *File) path(name string, l link) string {
	return filepath.Join(f.versions(name), l.String()+linkEnding)
}

const linkEnding = ".json"

func (f *File) links(name string) ([]link, error) {
	entries, err := os.ReadDir(f.versions(name))
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("reading channel: %w", err)
	}
	var out []link
	for _, e := range entries {
		if l, ok := parseLink(strings.TrimSuffix(e.Name(), linkEnding)); ok && e.Type().IsRegular() {
			out = append(out, l)
		}
	}
	return out, nil
}

// chained are a document's versions, the newest first, and what it is now.
func (f *File) chained(ctx context.Context, name string) ([]link, []byte, error) {
	doc, _, err := f.Read(ctx, name)
	if err != nil || doc == nil {
		return nil, nil, err
	}
	links, err := f.links(name)
	if err != nil {
		return nil, nil, err
	}
	newest, _ := tip(links, doc)
	return chain(links, newest), doc, nil
}

// Versions implements Store.
func (f *File) Versions(ctx context.Context, name string) ([]Version, error) {
	links, _, err := f.chained(ctx, name)
	return versions(links), err
}

// ReadVersion implements Store.
func (f *File) ReadVersion(ctx context.Context, name, id string) ([]byte, error) {
	links, doc, err := f.chained(ctx, name)
	if err != nil {
		return nil, err
	}
	l, err := find(links, name, id)
	if err != nil {
		return nil, err
	}
	if l == links[0] {
		return doc, nil
	}
	doc, err = os.ReadFile(f.path(name, l))
	if err != nil {
		return nil, fmt.Errorf("reading channel: %w", err)
	}
	if contentOf(doc) != l.content {
		return nil, fmt.Errorf("reading %s as of %s: what lies in %s is another document", name, id, f.path(name, l))
	}
	return bytes.Clone(doc), nil
}

// replace is called with the lock held, so one name for the unfinished file
// does, and what a crash left is written over.
func replace(path string, doc []byte) error {
	unfinished := filepath.Join(filepath.Dir(path), "."+filepath.Base(path)+".new")
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
