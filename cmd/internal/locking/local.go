package locking

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
	"github.com/rootfsgen/rootfsgen/runtime/debian"
)

// overlays is the line that binds a desk's own lock to the images.lock that it
// goes before: when that has changed, what the desk found is void.
const overlays = "# Goes before images.lock with "

func marker(committed []byte) string {
	return overlays + model.DigestOf(committed).String() + ".\n"
}

func localFile(root string) string {
	return filepath.Join(root, filepath.FromSlash(source.LocalLockFile))
}

// ReadLocal returns the desk's own lock of the repository at root, for
// source.Options.LockData. committed is images.lock of the tree that is
// planned, nil where there is none. It is nil when there is no such lock, or
// it goes before another images.lock.
func ReadLocal(root string, committed []byte) ([]byte, error) {
	content, err := Local(root)
	if err != nil {
		return nil, err
	}
	return Before(content, committed), nil
}

// Local is the file of the desk's own lock as it is, nil where there is none.
func Local(root string) ([]byte, error) {
	content, err := os.ReadFile(localFile(root))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("reading the local lock: %w", err)
	}
	return content, nil
}

// Before is what a desk's own lock holds, nil unless it goes before exactly
// this images.lock.
func Before(local, committed []byte) []byte {
	if rest, found := bytes.CutPrefix(local, []byte(marker(committed))); found {
		return rest
	}
	return nil
}

// writeLocal replaces the desk's own lock in one step.
func writeLocal(root string, committed []byte, lock model.Lock) error {
	file := localFile(root)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing the local lock: %w", err)
	}
	return replace(file, append([]byte(marker(committed)), source.FormatLock(lock)...))
}

// replace writes a file in one step.
func replace(file string, content []byte) error {
	f, err := os.CreateTemp(filepath.Dir(file), "."+filepath.Base(file)+"-")
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), err)
	}
	_, err = f.Write(content)
	err = errors.Join(err, f.Chmod(0o644), f.Close())
	if err == nil {
		err = os.Rename(f.Name(), file)
	}
	if err != nil {
		return fmt.Errorf("writing %s: %w", filepath.Base(file), errors.Join(err, os.Remove(f.Name())))
	}
	return nil
}

// Write replaces an images.lock in one step.
func Write(file string, lock model.Lock) error { return replace(file, source.FormatLock(lock)) }

// Moved is a target whose packages the archive no longer has as they are
// locked, or that was never locked.
type Moved struct {
	Target model.TargetID
	Err    *debian.ArchiveMovedError // nil for a target that was never locked
}

// Refresher looks after the packages of images that are about to be built.
type Refresher struct {
	Root      string // of the repository
	Cache     string // folder of package lists
	Committed []byte // images.lock of the tree that is planned, nil where there is none
	Desk      bool   // write what the archive has now into the desk's own lock; else it is an error
}

// Refresh asks the archive whether it still has the locked packages of each
// target that is built from packages; other targets, and those of a snapshot,
// are passed over. On a desk what has moved is resolved anew and kept in the
// desk's own lock: plan again when something is returned. Elsewhere it is the
// error, a *debian.ArchiveMovedError that names the command to run.
func (r Refresher) Refresh(ctx context.Context, fleet *model.Fleet, ids []model.TargetID) ([]Moved, error) {
	var targets []target
	for _, id := range ids {
		image, found := fleet.Node(id)
		if found && image.Builder == model.BuilderDebian && image.Debian.Snapshot == "" {
			targets = append(targets, newTarget(fleet, id, image.Debian))
		}
	}
	resolved, err := resolve(ctx, r.Cache, targets)
	if err != nil {
		return nil, err
	}
	lock, err := r.local()
	if err != nil {
		return nil, err
	}
	var moved []Moved
	for i, t := range targets {
		locked := fleet.Lock.DebianPackages(t.debian.Suite, t.id)
		m := Moved{Target: t.id}
		if locked != nil {
			if m.Err = debian.Compare(t.debian.Suite, t.id.Platform, locked, resolved[i].Packages); m.Err == nil {
				continue
			}
			if !r.Desk {
				return nil, m.Err
			}
		}
		moved = append(moved, m)
		put(&lock, cmp.Or(fleet.Lock.Debian[t.debian.Suite].InRelease, resolved[i].InRelease), t, resolved[i].Packages)
	}
	if len(moved) == 0 || !r.Desk {
		return nil, nil
	}
	return moved, writeLocal(r.Root, r.Committed, lock)
}

// local is what the desk's own lock has so far.
func (r Refresher) local() (model.Lock, error) {
	content, err := ReadLocal(r.Root, r.Committed)
	if err != nil || content == nil {
		return model.Lock{}, err
	}
	lock, list := source.ParseLock(content, source.LocalLockFile)
	return lock, list.Err()
}

// put writes down what a target's packages are now. The suite's state stays
// that of images.lock: it is an input of other images, which nobody asked to
// move.
func put(lock *model.Lock, state model.Digest, t target, packages map[string]string) {
	if lock.Debian == nil {
		lock.Debian = map[string]model.LockedSuite{}
	}
	s := lock.Debian[t.debian.Suite]
	if s.Images == nil {
		s.Images = map[string]map[string]string{}
	}
	s.InRelease = state
	s.Images[t.name] = packages
	lock.Debian[t.debian.Suite] = s
}
