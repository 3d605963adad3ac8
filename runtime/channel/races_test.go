package channel_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"os"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
)

// The test program is also the two processes of the races: each counts up a
// number in a document, once for each line that it reads, and prints how often
// it has met the other.
const (
	racerStore = "CHANNEL_RACER_STORE"
	racerDir   = "CHANNEL_RACER_DIR"
	racerName  = "CHANNEL_RACER_NAME"
)

func TestMain(m *testing.M) {
	if spec := os.Getenv(racerStore); spec != "" {
		if err := race(spec, os.Stdin, os.Stdout); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func race(spec string, in io.Reader, out io.Writer) error {
	s, err := channel.Open(spec, channel.Options{Dir: os.Getenv(racerDir), Getenv: os.Getenv})
	if err != nil {
		return err
	}
	for lines := bufio.NewScanner(in); lines.Scan(); {
		tries := 0
		_, err := channel.Update(context.Background(), s, os.Getenv(racerName), func(old []byte) ([]byte, error) {
			tries++
			n := 0
			if old != nil {
				if n, err = strconv.Atoi(strings.TrimSpace(string(old))); err != nil {
					return nil, err
				}
			}
			return []byte(strconv.Itoa(n+1) + "\n"), nil
		})
		if err != nil {
			return err
		}
		if _, err := fmt.Fprintln(out, tries-1); err != nil {
			return err
		}
	}
	return nil
}

// racesOf is how often the two meet on each store. Git starts some forty
// programs for each meeting, so ROOTFSGEN_LONG asks for its thousand.
func racesOf(store string) int {
	if strings.HasPrefix(store, "git") && os.Getenv("ROOTFSGEN_LONG") == "" {
		return 40
	}
	return 1000
}

// TestAThousandRacesLoseNothing lets two operating-system processes replace the
// same document at the same moment, again and again, and counts.
func TestAThousandRacesLoseNothing(t *testing.T) {
	t.Parallel()
	for name, place := range places {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec, o := place(t)
			rounds := racesOf(spec)
			one, other := startRacer(t, spec, o), startRacer(t, spec, o)
			met := 0
			for range rounds {
				one.start()
				other.start()
				met += one.met() + other.met()
			}
			one.end()
			other.end()
			doc, _, err := open(t, spec, o).Read(t.Context(), channel.Prod)
			if err != nil || string(doc) != strconv.Itoa(2*rounds)+"\n" {
				t.Errorf("%s counts %q, not %d (%v)", channel.Prod, doc, 2*rounds, err)
			}
			if met == 0 {
				t.Error("the two never met: this shows nothing")
			}
			versions, err := open(t, spec, o).Versions(t.Context(), channel.Prod)
			if err != nil || len(versions) != 2*rounds {
				t.Errorf("%d versions are kept, not %d (%v)", len(versions), 2*rounds, err)
			}
			t.Logf("%d races, of which the second had to look again %d times", rounds, met)
		})
	}
}

// racer is one of the two processes.
type racer struct {
	*testing.T
	in   io.WriteCloser
	out  *bufio.Scanner
	done chan error
	log  bytes.Buffer
}

func startRacer(t *testing.T, spec string, o channel.Options) *racer {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	inR, inW := io.Pipe()
	outR, outW := io.Pipe()
	r := &racer{T: t, in: inW, out: bufio.NewScanner(outR), done: make(chan error, 1)}
	env := []string{racerStore + "=" + spec, racerDir + "=" + o.Dir, racerName + "=" + channel.Prod}
	for _, name := range []string{"AWS_ENDPOINT_URL_S3", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "STORAGE_EMULATOR_HOST"} {
		if o.Getenv != nil {
			env = append(env, name+"="+o.Getenv(name))
		}
	}
	var once sync.Once
	go func() {
		err := tool.Command{Name: self, Stdin: inR, Stdout: outW, Stderr: &r.log, Env: env}.Run(t.Context())
		once.Do(func() { outW.Close(); inR.Close() })
		r.done <- err
	}()
	return r
}

func (r *racer) start() {
	r.Helper()
	if _, err := io.WriteString(r.in, "go\n"); err != nil {
		r.Fatalf("%v: %v\n%s", err, <-r.done, r.log.String())
	}
}

// met waits for the end of a round.
func (r *racer) met() int {
	r.Helper()
	if !r.out.Scan() {
		r.Fatalf("%v\n%s", <-r.done, r.log.String())
	}
	n, err := strconv.Atoi(r.out.Text())
	if err != nil {
		r.Fatal(err)
	}
	return n
}

func (r *racer) end() {
	r.Helper()
	_ = r.in.Close()
	if err := <-r.done; err != nil {
		r.Errorf("%v\n%s", err, r.log.String())
	}
}
