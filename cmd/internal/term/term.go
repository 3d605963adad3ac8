// Package term is what a command writes to: three streams, whether a person is
// at the other end, and the few ways in which results are laid out.
package term

import (
	"bytes"
	"io"
	"os"

	"golang.org/x/term"
)

// Streams are a command's standard streams. Results go to Out, everything
// else to Err.
type Streams struct {
	In     io.Reader
	Out    io.Writer
	Err    io.Writer
	OutTTY bool // a person reads Out
	ErrTTY bool // a person reads Err
	Color  bool // Err and Out may carry colour
}

// System is the process's own streams.
func System() Streams {
	out, err := term.IsTerminal(int(os.Stdout.Fd())), term.IsTerminal(int(os.Stderr.Fd()))
	return Streams{
		In: os.Stdin, Out: os.Stdout, Err: os.Stderr,
		OutTTY: out, ErrTTY: err,
		Color: out && err && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb",
	}
}

// Buffers is streams for a test, and what was written to them.
func Buffers() (s Streams, out, err *bytes.Buffer) {
	out, err = &bytes.Buffer{}, &bytes.Buffer{}
	return Streams{In: &bytes.Buffer{}, Out: out, Err: err}, out, err
}
