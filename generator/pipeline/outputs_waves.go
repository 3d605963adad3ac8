package pipeline

import (
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
)

// waveLeg is one image of a wave, as a matrix of GitHub reads it.
type waveLeg struct {
	Image   string `json:"image"`
	Target  string `json:"target,omitempty"`
	Minutes int    `json:"minutes,omitempty"`
	Set     string `json:"set,omitempty"` // names one of the sets of platforms
}

// platformSets are the different lists of platforms that images are built for.
// Most images of a fleet share a few, so each is told once.
type platformSets map[string][]Platform

// name is that of the set, which is added where it is new.
func (s platformSets) name(names map[string]string, platforms []Platform) (string, error) {
	text, err := json.Marshal(platforms)
	if err != nil {
		return "", fmt.Errorf("writing platforms: %w", err)
	}
	name, known := names[string(text)]
	if !known {
		name = strconv.Itoa(len(names))
		s[name], names[string(text)] = platforms, name
	}
	return name, nil
}

// GitHubWaves is the outputs of a GitHub job where images run in batches: once
// the sets of platforms, and for each batch the images to build and those to
// merge. The error names an image that is in no batch.
func (o *Decisions) GitHubWaves(batches []Batch) ([]byte, error) {
	sets, names := platformSets{}, map[string]string{}
	outputs := []output{{"sets", sets}}
	told := map[string]bool{}
	merged := map[string]bool{}
	for _, name := range o.Merge {
		merged[name] = true
	}
	for i := range batches {
		b := &batches[i]
		builds, merges := []waveLeg{}, []waveLeg{}
		for n := range b.Images {
			img := &b.Images[n]
			told[img.ID] = true
			if platforms := o.Matrix[img.ID]; platforms != nil {
				set, err := sets.name(names, platforms)
				if err != nil {
					return nil, err
				}
				if tests := o.Matrix[img.ID+TestsOf]; tests != nil {
					sets[set+TestsOf] = tests
				}
				builds = append(builds, waveLeg{Image: img.ID, Target: img.Target, Minutes: img.Minutes, Set: set})
			}
			if merged[img.ID] {
				merges = append(merges, waveLeg{Image: img.ID, Target: img.Target})
			}
		}
		at := fmt.Sprintf("-%d-%d", b.Wave, b.Number)
		outputs = append(outputs, output{string(Build) + at, builds}, output{string(Merge) + at, merges})
	}
	for _, name := range slices.Concat(o.Build, o.Merge) {
		if !told[name] {
			return nil, fmt.Errorf("reading the plan: %s is in no wave", name)
		}
	}
	return outputLines(outputs...)
}
