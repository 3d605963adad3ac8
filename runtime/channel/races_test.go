package channel_test

import (
	"context"
	"fmt"
	"os"
	"strconv"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
)

// The test program is also the two processes of the races: each counts up a
// number in a document.
func TestMain(m *testing.M) {
	if spec := os.Getenv(channeltest.RacerVariable); spec != "" {
		if err := race(spec); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

func race(spec string) error {
	s, err := channel.Open(spec, channel.Options{Dir: os.Getenv(channeltest.RacerDir), Getenv: os.Getenv})
	if err != nil {
		return err
	}
	return channeltest.Race(os.Stdin, os.Stdout, func(int) (int, error) {
		tries := 0
		_, err := channel.Update(context.Background(), s, channel.Prod, func(old []byte) ([]byte, error) {
			tries++
			n := 0
			if old != nil {
				if n, err = strconv.Atoi(strings.TrimSpace(string(old))); err != nil {
					return nil, err
				}
			}
			return []byte(strconv.Itoa(n+1) + "\n"), nil
		})
		return tries - 1, err
	})
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
	for name, place := range channeltest.Places() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place(t)
			rounds := racesOf(p.Spec)
			one, other := channeltest.NewRacer(t, p), channeltest.NewRacer(t, p)
			met := 0
			for n := range rounds {
				one.Start(n)
				other.Start(n)
				met += one.Met() + other.Met()
			}
			one.End()
			other.End()
			doc, _, err := p.Open(t).Read(t.Context(), channel.Prod)
			if err != nil || string(doc) != strconv.Itoa(2*rounds)+"\n" {
				t.Errorf("%s counts %q, not %d (%v)", channel.Prod, doc, 2*rounds, err)
			}
			if met == 0 {
				t.Error("the two never met: this shows nothing")
			}
			versions, err := p.Open(t).Versions(t.Context(), channel.Prod)
			if err != nil || len(versions) != 2*rounds {
				t.Errorf("%d versions are kept, not %d (%v)", len(versions), 2*rounds, err)
			}
			t.Logf("%d races, of which the second had to look again %d times", rounds, met)
		})
	}
}
