package buildkit

import (
	"context"
	"errors"
	"io"

	"github.com/tonistiigi/fsutil"
)

// watched stops the build at the first error of a read. BuildKit's own sender
// would take a file that cannot be opened for an empty one, and would wait for
// ever after a read that failed.
type watched struct {
	fsutil.FS
	stop context.CancelCauseFunc
}

// Open is the content of one file.
func (w *watched) Open(name string) (io.ReadCloser, error) {
	r, err := w.FS.Open(name)
	if err != nil {
		w.stop(err)
		return nil, err
	}
	return &watchedReader{ReadCloser: r, stop: w.stop}, nil
}

type watchedReader struct {
	io.ReadCloser
	stop context.CancelCauseFunc
}

func (r *watchedReader) Read(b []byte) (int, error) {
	n, err := r.ReadCloser.Read(b)
	if err != nil && !errors.Is(err, io.EOF) {
		r.stop(err)
	}
	return n, err
}
