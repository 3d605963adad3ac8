package planning

import (
	"bytes"
	"cmp"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"github.com/klauspost/compress/s2"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/generator/history"
)

// memoFormat begins every file of the memory. The sum of all that follows
// comes next, then the name under which it is kept, what was said on standard
// error before the output, the output compressed, what was said after it, and
// the lengths of both.
const memoFormat = "rootfsgen plan memo 1\n"

const (
	memoDir  = "plans"         // in .cache
	memoName = 2 * sha256.Size // in hexadecimal
	memoTail = 8               // two lengths

	memoNew     = ".new-*"
	memoFiles   = 8         // that are kept,
	memoBytes   = 256 << 20 // and how large they are together
	memoLargest = 64 << 20  // one of them
)

// memory is where finished plans are kept: .cache/plans in the root of the
// repository. What goes wrong there makes a plan slower, and nothing else.
type memory struct {
	repo *history.Repo
	dir  string
}

func newMemory(repo *history.Repo) *memory {
	return &memory{repo: repo, dir: filepath.Join(repo.Root(), ".cache", memoDir)}
}

// memo is what a plan printed.
type memo struct {
	before, after []byte // on Err
	out           []byte // compressed
}

// recall is the memo of that name; nil where there is none, or none that is
// whole.
func (m *memory) recall(name string) *memo {
	file := filepath.Join(m.dir, name)
	if info, err := os.Lstat(file); err != nil || !info.Mode().IsRegular() || info.Size() > memoLargest {
		return nil
	}
	content, err := os.ReadFile(file)
	if err != nil {
		return nil
	}
	known, err := parseMemo(content, name)
	if err != nil {
		return nil
	}
	now := time.Now()
	_ = os.Chtimes(file, now, now) // so that it stays; a disk that is not written to needs no room
	return known
}

var errNoMemo = errors.New("this is no memo of a plan, or not a whole one")

// parseMemo reads a memo and trusts nothing of it before the sum is right.
func parseMemo(content []byte, name string) (*memo, error) {
	rest, ours := bytes.CutPrefix(content, []byte(memoFormat))
	if !ours || len(rest) < sha256.Size+memoName+memoTail {
		return nil, errNoMemo
	}
	sum, rest := rest[:sha256.Size], rest[sha256.Size:]
	if got := sha256.Sum256(rest); !bytes.Equal(got[:], sum) || string(rest[:memoName]) != name {
		return nil, errNoMemo
	}
	rest, tail := rest[memoName:len(rest)-memoTail], rest[len(rest)-memoTail:]
	before, after := uint64(binary.BigEndian.Uint32(tail)), uint64(binary.BigEndian.Uint32(tail[4:]))
	size := uint64(len(rest))
	if before+after > size {
		return nil, errNoMemo
	}
	return &memo{before: rest[:before], out: rest[before : size-after], after: rest[size-after:]}, nil
}

// print says again what was said, in the same order.
func (k *memo) print(a *app.App) error {
	_, _ = a.Err.Write(k.before) // as whatever is said there
	if _, err := io.Copy(a.Out, s2.NewReader(bytes.NewReader(k.out))); err != nil {
		return fmt.Errorf("printing the plan: %w", err)
	}
	_, _ = a.Err.Write(k.after)
	return nil
}

// note is a memo that is being written: a Writer of the output that never
// fails, and gives up where it cannot go on.
type note struct {
	memory *memory
	name   string
	before int
	file   *os.File
	sum    hash.Hash
	packed *s2.Writer
	size   int
	err    error
}

var errLarge = errors.New("this plan is too large to be remembered")

// begin begins the memo of that name; before is what was said so far.
func (m *memory) begin(name string, before []byte) *note {
	n := &note{memory: m, name: name, before: len(before), sum: sha256.New()}
	n.packed = s2.NewWriter(writerFunc(n.write))
	if n.err = m.repo.MakeCache(memoDir); n.err != nil {
		return n
	}
	if n.file, n.err = os.CreateTemp(m.dir, memoNew); n.err != nil {
		return n
	}
	if _, n.err = n.file.Write(make([]byte, len(memoFormat)+sha256.Size)); n.err == nil {
		_, n.err = n.write(append([]byte(name), before...))
	}
	return n
}

type writerFunc func([]byte) (int, error)

// Write calls the function.
func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

// write adds to the file.
func (n *note) write(p []byte) (int, error) {
	if n.size += len(p); n.size > memoLargest {
		return 0, errLarge
	}
	n.sum.Write(p) // never fails
	return n.file.Write(p)
}

// Write adds to the output.
func (n *note) Write(p []byte) (int, error) {
	if n.err == nil {
		_, n.err = n.packed.Write(p)
	}
	return len(p), nil
}

// drop forgets what was not kept.
func (n *note) drop() {
	_ = n.packed.Close() // which ends what it runs beside us
	if n.file != nil {
		_ = n.file.Close()
		_ = os.Remove(n.file.Name())
	}
}

// keep ends the memo and gives it its name. after is what was said after the
// output.
func (n *note) keep(after []byte) {
	if n.err != nil {
		return
	}
	err := n.packed.Close()
	if err == nil {
		tail := binary.BigEndian.AppendUint32(bytes.Clone(after), uint32(n.before)) //nolint:gosec // bounded by memoLargest
		_, err = n.write(binary.BigEndian.AppendUint32(tail, uint32(len(after))))   //nolint:gosec // as above
	}
	if err == nil {
		_, err = n.file.WriteAt(n.sum.Sum([]byte(memoFormat)), 0)
	}
	if err = errors.Join(err, n.file.Close()); err == nil {
		err = os.Rename(n.file.Name(), filepath.Join(n.memory.dir, n.name))
	}
	if err == nil {
		n.file = nil
		n.memory.prune()
	}
}

// prune keeps the files that were used last, as many as there is room for. One
// that is being written is the newest.
func (m *memory) prune() {
	entries, err := os.ReadDir(m.dir)
	if err != nil {
		return
	}
	var files []fs.FileInfo
	for _, e := range entries {
		if info, err := e.Info(); err == nil && info.Mode().IsRegular() {
			files = append(files, info)
		}
	}
	slices.SortFunc(files, func(a, b fs.FileInfo) int {
		return cmp.Or(b.ModTime().Compare(a.ModTime()), strings.Compare(a.Name(), b.Name()))
	})
	room := int64(memoBytes)
	for i, info := range files {
		if room -= info.Size(); i >= memoFiles || room < 0 {
			_ = os.Remove(filepath.Join(m.dir, info.Name()))
		}
	}
}
