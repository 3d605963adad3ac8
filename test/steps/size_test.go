package steps

import (
	"compress/gzip"
	"io"
	"os"
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/enginetest"
)

// The most that rootfsrun, which jobs download, may have, in bytes: as it is
// released, and packed.
const (
	mostStripped = 75_000_000
	mostPacked   = 25_000_000
)

// counter counts what is written to it.
type counter int64

func (c *counter) Write(b []byte) (int, error) {
	*c += counter(len(b))
	return len(b), nil
}

// TestTheProgramsSize holds rootfsrun to what is promised of it.
func TestTheProgramsSize(t *testing.T) {
	t.Parallel()
	f, err := os.Open(filepath.Join(enginetest.Programs(t), "rootfsrun"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	var packed counter
	w := gzip.NewWriter(&packed)
	size, err := io.Copy(w, f)
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Logf("%d bytes, packed %d", size, packed)
	if size > mostStripped || packed > mostPacked {
		t.Errorf("rootfsrun has %d bytes, and packed %d: at most %d and %d are promised", size, packed, mostStripped, mostPacked)
	}
}
