package promote_test

import (
	"context"
	"encoding/json"
	"errors"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/channel/channeltest"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/promote"
)

// The test program is also the two processes of a race: each promotes an image
// of its own, out of one document and the other in turns.
const (
	racerImage   = "PROMOTE_RACER_IMAGE"
	racerSources = "PROMOTE_RACER_SOURCES" // the two documents, a JSON list of texts
)

// contested is a store that counts how often somebody else was faster.
type contested struct {
	channel.Store
	lost int
}

// Write implements channel.Store.
func (c *contested) Write(ctx context.Context, name string, doc []byte, old string) error {
	err := c.Store.Write(ctx, name, doc, old)
	if errors.Is(err, channel.ErrConflict) {
		c.lost++
	}
	return err
}

func race(spec string) error {
	opened, err := channel.Open(spec, channel.Options{Dir: os.Getenv(channeltest.RacerDir), Getenv: os.Getenv})
	if err != nil {
		return err
	}
	var texts []string
	if err := json.Unmarshal([]byte(os.Getenv(racerSources)), &texts); err != nil {
		return err
	}
	sources := make([]*manifest.Document, len(texts))
	for n, text := range texts {
		if sources[n], err = manifest.Decode([]byte(text)); err != nil {
			return err
		}
	}
	store := &contested{Store: opened}
	s := promote.Step{Registry: client(), Store: store, Policy: model.Policy{Mode: model.EnforceOff}}
	// Of one moment, so that the record of a promotion is the same each time, and
	// the registry does not grow with the races.
	s.Now = func() time.Time { return today }
	return channeltest.Race(os.Stdin, os.Stdout, func(n int) (int, error) {
		before := store.lost
		_, err := s.Run(context.Background(), sources[n%len(sources)], []string{os.Getenv(racerImage)})
		return store.lost - before, err
	})
}

// racesOf is how often the two promote on each kind of store: what some twenty
// seconds are enough for, and with ROOTFSGEN_LONG a thousand.
func racesOf(spec string) int {
	switch {
	case os.Getenv("ROOTFSGEN_LONG") != "":
		return 1000
	case strings.HasPrefix(spec, "git"): // it starts some forty programs for each
		return 20
	}
	return 200
}

// TestPromotionsOfTwoProcessesLoseNothing lets two operating-system processes
// promote at the same moment, an image each, again and again: after each round
// prod has what both have promoted, and no version of it is missing.
func TestPromotionsOfTwoProcessesLoseNothing(t *testing.T) {
	t.Parallel()
	for name, place := range channeltest.Places() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := place(t)
			images := []plantest.Image{{ID: "a", Platforms: []model.Platform{model.LinuxAMD64}}, {ID: "b", Platforms: []model.Platform{model.LinuxAMD64}}}
			b := newBench(t)
			var texts []string
			var sources []*manifest.Document
			for _, content := range []string{"one", "two"} {
				for n := range images {
					images[n].Content = content
				}
				b.publish('1', images...)
				doc, _, err := b.store.Read(t.Context(), channel.Testing)
				if err != nil {
					t.Fatal(err)
				}
				texts, sources = append(texts, string(doc)), append(sources, b.testing())
			}
			both, err := json.Marshal(texts)
			if err != nil {
				t.Fatal(err)
			}
			b.store = p.Open(t)
			var racers []*channeltest.Racer
			for _, i := range images {
				racers = append(racers, channeltest.NewRacer(t, p, racerImage+"="+i.ID, racerSources+"="+string(both)))
			}
			rounds, met := racesOf(p.Spec), 0
			for n := range rounds {
				for _, r := range racers {
					r.Start(n)
				}
				for _, r := range racers {
					met += r.Met()
				}
				d := b.prod()
				for _, i := range images {
					want, _ := sources[n%2].Find(i.ID)
					if got, found := d.Find(i.ID); !found || got.Digest != want.Digest {
						t.Fatalf("round %d: prod has %+v", n, d)
					}
				}
			}
			for _, r := range racers {
				r.End()
			}
			if versions, err := p.Open(t).Versions(t.Context(), channel.Prod); err != nil || len(versions) != 2*rounds {
				t.Errorf("%d versions are kept, not %d (%v)", len(versions), 2*rounds, err)
			}
			if met == 0 {
				t.Error("the two never met: this shows nothing")
			}
			t.Logf("%d races, of which the second had to look again %d times", rounds, met)
		})
	}
}
