package oracle

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// counts are what a run has seen. It is written to the file of a long run.
type counts struct {
	Seed       int64          `json:"seed"`
	Next       int            `json:"next"` // index of the next fleet
	Fleets     int            `json:"fleets"`
	Refused    int            `json:"refused"` // could not be planned
	Faulty     int            `json:"faulty"`
	Targets    int            `json:"targets"` // compared with what they were before the edits
	Changed    int            `json:"changed"` // keys
	Over       int            `json:"over"`    // changed keys of the same bytes
	Failures   int            `json:"failures"`
	Deaths     int            `json:"deaths"` // builds that killed BuildKit's daemon
	Builds     int            `json:"builds"`
	Constructs map[string]int `json:"constructs"`
	Edits      map[string]int `json:"edits"`
	OverEdits  map[string]int `json:"over_edits"` // by what was edited, where that was one thing
	OverUses   map[string]int `json:"over_uses"`  // by what the image has
	Rules      map[string]int `json:"rules"`      // of what was refused
}

func newCounts() *counts {
	return &counts{
		Constructs: map[string]int{}, Edits: map[string]int{}, OverEdits: map[string]int{}, OverUses: map[string]int{}, Rules: map[string]int{},
	}
}

func parseCounts(b []byte) (*counts, error) {
	c := newCounts()
	return c, json.Unmarshal(b, c)
}

func (c *counts) encode() []byte {
	b, err := json.MarshalIndent(c, "", "  ")
	if err != nil {
		panic(err) // numbers and strings always marshal
	}
	return append(b, '\n')
}

func (c *counts) add(s *sample, v *verdict) {
	c.Fleets++
	c.Builds += v.builds
	if len(v.refused) > 0 {
		c.Refused++
		for _, rule := range slices.Compact(slices.Sorted(slices.Values(v.refused))) {
			c.Rules[rule]++
		}
		return
	}
	if len(v.faults) > 0 {
		c.Faulty++
	}
	for _, uses := range s.uses {
		for _, u := range uses {
			c.Constructs[u]++
		}
	}
	for _, e := range s.edits {
		c.Edits[e]++
	}
	c.Targets += v.targets
	c.Failures += v.failures
	c.Deaths += v.deaths
	c.Changed += len(v.changed)
	c.Over += len(v.over)
	for _, id := range v.over {
		if len(s.edits) == 1 {
			c.OverEdits[s.edits[0]]++
		}
		for _, u := range s.uses[id.Image] {
			c.OverUses[u]++
		}
	}
}

// missing are the constructs and edits that were never judged.
func (c *counts) missing() []string {
	var out []string
	for _, x := range constructs() {
		if c.Constructs[x.name] == 0 {
			out = append(out, x.name)
		}
	}
	for _, name := range structural {
		if c.Constructs[name] == 0 {
			out = append(out, name)
		}
	}
	for _, name := range kinds() {
		if c.Edits[name] == 0 {
			out = append(out, "the edit "+name)
		}
	}
	return out
}

func (c *counts) report() string {
	var b strings.Builder
	fmt.Fprintf(&b, "%d fleets in %d builds, %d of them with a fault\n", c.Fleets, c.Builds, c.Faulty)
	fmt.Fprintf(&b, "%d could not be planned: %s\n", c.Refused, sorted(c.Rules))
	fmt.Fprintf(&b, "%d targets were compared, %d builds failed in both ways; %d killed BuildKit's daemon\n", c.Targets, c.Failures, c.Deaths)
	fmt.Fprintf(&b, "constructs: %s\n", sorted(c.Constructs))
	fmt.Fprintf(&b, "edits: %s\n", sorted(c.Edits))
	fmt.Fprintf(&b, "over-build: %d of %d changed keys (%.1f %%), of %d targets %.1f %%\n",
		c.Over, c.Changed, percent(c.Over, c.Changed), c.Targets, percent(c.Over, c.Targets))
	fmt.Fprintf(&b, "over-build by the only edit: %s\n", sorted(c.OverEdits))
	fmt.Fprintf(&b, "over-build by what the image has: %s\n", sorted(c.OverUses))
	return b.String()
}

func percent(part, of int) float64 { return 100 * float64(part) / float64(max(1, of)) }
