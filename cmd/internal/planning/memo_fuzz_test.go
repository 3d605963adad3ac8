package planning

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"testing"

	"github.com/klauspost/compress/s2"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
)

// aMemo is a whole memo, written by hand.
func aMemo(before, out, after string) (content []byte, name string) {
	name = strings.Repeat("5", memoName)
	var packed bytes.Buffer
	w := s2.NewWriter(&packed, s2.WriterConcurrency(1))
	_, _ = w.Write([]byte(out)) // a buffer takes it
	_ = w.Close()
	rest := []byte(name + before + packed.String() + after)
	rest = binary.BigEndian.AppendUint32(rest, uint32(len(before)))
	rest = binary.BigEndian.AppendUint32(rest, uint32(len(after)))
	return sealed(rest), name
}

// sealed gives what follows the sum the right one.
func sealed(rest []byte) []byte {
	sum := sha256.Sum256(rest)
	return append(append([]byte(memoFormat), sum[:]...), rest...)
}

// FuzzMemo reads any bytes as a memo, and as what follows a sum that is right:
// then the parts are the whole, and printing them ends.
func FuzzMemo(f *testing.F) {
	whole, name := aMemo("before\n", strings.Repeat("a plan\n", 40), "after\n")
	f.Add(whole)
	f.Add(whole[len(memoFormat)+sha256.Size:])
	f.Add([]byte(name + "\x00\x00\x00\x00\x00\x00\x00\x00"))
	f.Add([]byte(name + "x\xff\xff\xff\xff\x00\x00\x00\x02"))
	f.Fuzz(func(t *testing.T, b []byte) {
		if k, err := parseMemo(b, name); err == nil {
			if rest := b[len(memoFormat)+sha256.Size:]; !bytes.Equal(sealed(rest), b) {
				t.Errorf("a sum that is not right is taken: %+v", k)
			}
		}
		k, err := parseMemo(sealed(b), name)
		if err != nil {
			return
		}
		parts := name + string(k.before) + string(k.out) + string(k.after)
		if parts != string(b[:len(b)-memoTail]) {
			t.Errorf("%q became %+v", b, k)
		}
		s, _, said := term.Buffers()
		err = k.print(&app.App{Streams: s})
		if want := string(k.before) + string(k.after); err == nil && said.String() != want {
			t.Errorf("said %q, want %q", said, want)
		}
	})
}
