package history

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"path/filepath"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Stream reads many files at once and hands each distinct content over as it
// comes, in the order of the files; those that were read before are left out.
// The callback owns the content. What cannot be read is left out too: reading
// it by itself says why.
func (r *Repo) Stream(ctx context.Context, files []model.TreeEntry, each func(oid string, content []byte)) error {
	ids := r.unread(files)
	if len(ids) == 0 {
		return nil
	}
	r.fetch(ctx, ids)
	c := command(r.root, r.env(), "cat-file", "--batch", "--buffer")
	c.Stdin = strings.NewReader(strings.Join(ids, "\n") + "\n")
	in, out := io.Pipe()
	c.Stdout = out
	done := make(chan struct{})
	go func() {
		defer close(done)
		err := c.Run(ctx)
		_ = out.CloseWithError(errors.Join(err, io.EOF)) // never fails
	}()
	p := process{in: discard{}, out: bufio.NewReaderSize(in, 256<<10)}
	for range ids {
		o := p.ask("")
		if o.err == nil && o.kind == "blob" {
			each(o.id, o.content)
		} else if o.err != nil && !errors.Is(o.err, errAbsent) {
			break // as said above
		}
	}
	_ = in.Close() // git ends if it still writes
	<-done
	return context.Cause(ctx)
}

// unread are the distinct ids of files whose content is not kept already.
func (r *Repo) unread(files []model.TreeEntry) []string {
	r.mu.Lock()
	defer r.mu.Unlock()
	ids := make([]string, 0, len(files))
	seen := make(map[string]struct{}, len(files))
	for _, f := range files {
		if _, twice := seen[f.OID]; !twice && f.Mode != model.ModeGitlink && r.cache[f.OID] == nil {
			seen[f.OID] = struct{}{}
			ids = append(ids, f.OID)
		}
	}
	return ids
}

// fetch brings what a partial clone left at its remote, all at once: git by
// itself asks once for each object. Where that fails, git does it its own way.
func (r *Repo) fetch(ctx context.Context, ids []string) {
	if promised, err := filepath.Glob(filepath.Join(r.common, "objects", "pack", "*.promisor")); err != nil || len(promised) == 0 {
		return
	}
	all := []byte(strings.Join(ids, "\n") + "\n")
	out, err := r.git(ctx, []string{"GIT_NO_LAZY_FETCH=1"}, all, "cat-file", "--batch-check=%(objectname)")
	if err != nil {
		return
	}
	var missing bytes.Buffer
	for _, line := range lines(out) {
		if id, absent := strings.CutSuffix(line, " missing"); absent {
			missing.WriteString(id + "\n")
		}
	}
	remotes, err := r.git(ctx, nil, nil, "config", "--name-only", "--get-regexp", `^remote\..*\.promisor$`)
	if err != nil || missing.Len() == 0 {
		return
	}
	for _, name := range lines(remotes) {
		remote := strings.TrimSuffix(strings.TrimPrefix(name, "remote."), ".promisor")
		if strings.HasPrefix(remote, "-") {
			continue
		}
		// As git does it for one object: nothing is negotiated, no ref moves.
		_, err := r.git(ctx, nil, missing.Bytes(), "-c", "fetch.negotiationAlgorithm=noop", "fetch", remote, "--no-tags", "--no-write-fetch-head",
			"--recurse-submodules=no", "--filter=blob:none", "--quiet", "--stdin")
		if err == nil {
			return
		}
	}
}

// discard takes the requests for answers that were read already.
type discard struct{}

func (discard) Write(b []byte) (int, error) { return len(b), nil }
func (discard) Close() error                { return nil }
