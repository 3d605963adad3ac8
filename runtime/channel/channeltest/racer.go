package channeltest

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"strconv"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
)

// RacerVariable is set for the processes of a race, to the name of the store
// that they race on; RacerDir is their repository.
const (
	RacerVariable = "CHANNEL_RACER_STORE"
	RacerDir      = "CHANNEL_RACER_DIR"
)

// Race is what such a process does: round for each line that it reads, of which
// the number is the round's. It prints how often it met the other one.
func Race(in io.Reader, out io.Writer, round func(n int) (met int, err error)) error {
	for lines := bufio.NewScanner(in); lines.Scan(); {
		n, err := strconv.Atoi(lines.Text())
		if err != nil {
			return err
		}
		met, err := round(n)
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, met); err != nil {
			return err
		}
	}
	return nil
}

// Racer is one of the processes: this test program, once more.
type Racer struct {
	t    testing.TB
	in   io.WriteCloser
	out  *bufio.Scanner
	done chan error
	log  bytes.Buffer
}

// NewRacer starts a process that races at a place, with further variables.
func NewRacer(t testing.TB, p Place, env ...string) *Racer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	r := &Racer{t: t, in: inW, out: bufio.NewScanner(outR), done: make(chan error, 1)}
	env = append(env, RacerVariable+"="+p.Spec, RacerDir+"="+p.Dir)
	for name, value := range p.Env {
		env = append(env, name+"="+value)
	}
	var once sync.Once
	go func() {
		err := tool.Command{Name: self, Stdin: inR, Stdout: outW, Stderr: &r.log, Env: env}.Run(t.Context())
		once.Do(func() { outW.Close(); inR.Close() })
		r.done <- err
	}()
	return r
}

// Start begins a round.
func (r *Racer) Start(n int) {
	r.t.Helper()
	if _, err := fmt.Fprintln(r.in, n); err != nil {
		r.t.Fatalf("%v: %v\n%s", err, <-r.done, r.log.String())
	}
}

// Met waits for the end of a round.
func (r *Racer) Met() int {
	r.t.Helper()
	if !r.out.Scan() {
		r.t.Fatalf("%v\n%s", <-r.done, r.log.String())
	}
	n, err := strconv.Atoi(r.out.Text())
	if err != nil {
		r.t.Fatal(err)
	}
	return n
}

// End lets the process end.
func (r *Racer) End() {
	r.t.Helper()
	_ = r.in.Close()
	if err := <-r.done; err != nil {
		r.t.Errorf("%v\n%s", err, r.log.String())
	}
}
