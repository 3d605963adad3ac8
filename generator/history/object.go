package history

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// What is kept of what was read: both sides of a plan hold mostly the same
// files.
const (
	cachedObject = 64 << 10
	cachedTotal  = 64 << 20
)

// reader is the running batch process, started when first needed, and again
// after it died.
func (r *Repo) reader() (*batch, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.life.Err() != nil {
		return nil, context.Cause(r.life)
	}
	if r.batch != nil {
		select {
		case <-r.batch.done:
		default:
			return r.batch, nil
		}
	}
	b, err := startBatch(r.life, r.root, r.env())
	if err != nil {
		return nil, err
	}
	r.batch = b
	return b, nil
}

// restart lets the next read see an object folder that was not there before.
func (r *Repo) restart() {
	r.mu.Lock()
	b := r.batch
	r.batch = nil
	r.mu.Unlock()
	if b != nil {
		b.close()
	}
}

func (r *Repo) object(ctx context.Context, name string) object {
	if strings.ContainsAny(name, "\n\x00") {
		return object{err: errAbsent}
	}
	b, err := r.reader()
	if err != nil {
		return object{err: err}
	}
	o := b.get(ctx, name)
	if errors.Is(o.err, errEnded) { // it was restarted under our feet
		if b, err = r.reader(); err != nil {
			return object{err: err}
		}
		o = b.get(ctx, name)
	}
	return o
}

// blob reads one object by id. The caller owns the slice.
func (r *Repo) blob(ctx context.Context, id string) ([]byte, error) {
	r.mu.Lock()
	content, found := r.cache[id]
	r.mu.Unlock()
	if found {
		return bytes.Clone(content), nil
	}
	o := r.object(ctx, id)
	if o.err != nil {
		return nil, r.objectProblem(ctx, id, o.err)
	}
	if o.kind != "blob" {
		return nil, fmt.Errorf("object %s is a %s, not a file", id, o.kind)
	}
	r.keep(id, o.content)
	return bytes.Clone(o.content), nil
}

// Keep remembers what Stream handed over, for who reads the file again. The
// slice must not be changed afterwards.
func (r *Repo) Keep(oid string, content []byte) { r.keep(oid, content) }

// keep remembers a small object. The slice must not be changed afterwards.
func (r *Repo) keep(id string, content []byte) {
	r.mu.Lock()
	defer r.mu.Unlock()
	if n := len(content); n <= cachedObject && r.size+n <= cachedTotal && r.cache[id] == nil {
		r.cache[id] = content
		r.size += n
	}
}

// Prefetch reads many files at once, so that reading them one by one does not
// ask git for each. What cannot be read is left to the reading to report.
func (r *Repo) Prefetch(ctx context.Context, files []model.TreeEntry) error {
	return r.Stream(ctx, files, r.keep)
}

// Forget gives up the contents that are kept: they are read again when they
// are asked for again.
func (r *Repo) Forget() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.cache, r.size = map[string][]byte{}, 0
}

// objectProblem explains why an object that a tree names cannot be read.
func (r *Repo) objectProblem(ctx context.Context, id string, cause error) error {
	if ctx.Err() != nil || r.life.Err() != nil {
		return cause
	}
	if errors.Is(cause, errAbsent) {
		cause = nil
	}
	if r.partial(ctx) {
		return &Problem{Kind: ErrPartial, Subject: id, Remedy: remedyPartial, Cause: cause}
	}
	return &Problem{Kind: ErrCorrupt, Subject: id, Remedy: remedyCorrupt, Cause: cause}
}

// partial tells whether objects may be left at a remote.
func (r *Repo) partial(ctx context.Context) bool {
	_, err := r.git(ctx, nil, nil, "config", "--get-regexp", `^(extensions\.partialclone|remote\..*\.promisor)$`)
	return err == nil
}
