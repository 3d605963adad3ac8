package simulate

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"math"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// TimesVersion is the version of the file of times.
const TimesVersion = 1

// Times are how long jobs run on their machines, in seconds, without the time
// that a machine takes to boot.
type Times struct {
	Version  int                `json:"version"`
	Targets  map[string]float64 `json:"targets"`            // "image:tag linux/amd64": building and testing it
	Default  float64            `json:"default,omitempty"`  // of a target that is not named
	Plan     float64            `json:"plan,omitempty"`     // of the planning job
	Merge    float64            `json:"merge,omitempty"`    // of joining an image's platforms
	Manifest float64            `json:"manifest,omitempty"` // of writing the testing channel
	Again    float64            `json:"again,omitempty"`    // of a job that finds its work done already
}

// The times of what a file does not name. That of a target is a guess, and a
// simulation says for how many it was made.
const (
	defaultTarget   = 300
	defaultPlan     = 30
	defaultMerge    = 10
	defaultManifest = 15
	defaultAgain    = 10
)

// TimesOf are measured times, in the form of the file.
func TimesOf(measured map[model.TargetID]float64) *Times {
	t := &Times{Version: TimesVersion, Targets: map[string]float64{}}
	for id, seconds := range measured {
		t.Targets[id.String()] = seconds
	}
	return t
}

// DecodeTimes reads the file; what it does not say has its default.
func DecodeTimes(text []byte) (*Times, error) {
	t := &Times{}
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(t); err != nil {
		return nil, fmt.Errorf("reading times: %w", err)
	}
	if t.Version != TimesVersion {
		return nil, fmt.Errorf("reading times: version %d, expected %d", t.Version, TimesVersion)
	}
	for _, name := range slices.Sorted(maps.Keys(t.Targets)) {
		if !sensible(t.Targets[name]) {
			return nil, fmt.Errorf("reading times: %q: %g is no number of seconds", name, t.Targets[name])
		}
	}
	for _, seconds := range []float64{t.Default, t.Plan, t.Merge, t.Manifest, t.Again} {
		if !sensible(seconds) {
			return nil, fmt.Errorf("reading times: %g is no number of seconds", seconds)
		}
	}
	return t, nil
}

// longest is more than any job takes: a year.
const longest = 365 * 24 * 3600

func sensible(seconds float64) bool {
	return seconds >= 0 && seconds <= longest && !math.IsNaN(seconds)
}

// Encode is the file.
func (t *Times) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(t, "", "  ")
	return append(b, '\n'), err
}

// Of is the time of a target, and whether it is named.
func (t *Times) Of(id model.TargetID) (seconds float64, named bool) {
	if seconds, named = t.Targets[id.String()]; named {
		return seconds, true
	}
	return or(t.Default, defaultTarget), false
}

func or(seconds, usual float64) float64 {
	if seconds > 0 {
		return seconds
	}
	return usual
}
