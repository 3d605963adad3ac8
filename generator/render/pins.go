package render

import (
	"bytes"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"
)

// PinsFile is where the commits of third-party actions are kept. People and
// bots may move them there; everything that is generated follows.
const PinsFile = ".github/rootfsgen-pins.yaml"

// Pin is one action at one commit.
type Pin struct {
	Action  string // "actions/checkout"
	Commit  string // 40 hexadecimal digits
	Version string // the tag that the commit has, "v7.0.1"
}

// Pins is what the workflows use, by action.
type Pins map[string]Pin

// The actions that the workflows use.
const (
	actionCheckout = "actions/checkout"
	actionUpload   = "actions/upload-artifact"
	actionDownload = "actions/download-artifact"
	actionSetupGo  = "actions/setup-go"
)

// DefaultPins are the commits that a new repository begins with.
func DefaultPins() Pins {
	return Pins{
		actionCheckout: {actionCheckout, "3d3c42e5aac5ba805825da76410c181273ba90b1", "v7.0.1"},
		actionUpload:   {actionUpload, "043fb46d1a93c77aae656e7c1c64a875d1fc6a0a", "v7.0.1"},
		actionDownload: {actionDownload, "3e5f45b2cfb9172054b4087a40e8e0b5a5461e7c", "v8.0.1"},
		actionSetupGo:  {actionSetupGo, "b7ad1dad31e06c5925ef5d2fc7ad053ef454303e", "v7.0.0"},
	}
}

var (
	pinUses    = regexp.MustCompile(`^([a-z0-9-]+/[a-z0-9-]+)@([0-9a-f]{40})$`)
	pinVersion = regexp.MustCompile(`^v[0-9]+(?:\.[0-9]+){0,2}$`)
)

// ParsePins reads PinsFile; actions that it does not name keep their default.
// The error names the line of a pin that is not a whole commit and a version.
func ParsePins(data []byte) (Pins, error) {
	pins := DefaultPins()
	if len(data) == 0 {
		return pins, nil
	}
	var doc struct {
		Actions []struct {
			Uses yaml.Node `yaml:"uses"`
		} `yaml:"actions"`
	}
	if err := yaml.Unmarshal(data, &doc); err != nil {
		return nil, fmt.Errorf("reading %s: %w", PinsFile, err)
	}
	for _, a := range doc.Actions {
		m := pinUses.FindStringSubmatch(a.Uses.Value)
		version := strings.TrimSpace(strings.TrimPrefix(a.Uses.LineComment, "#"))
		if m == nil || !pinVersion.MatchString(version) {
			return nil, fmt.Errorf("reading %s: line %d: expected owner/action@<40 hexadecimal digits> # v1.2.3", PinsFile, a.Uses.Line)
		}
		if _, known := pins[m[1]]; known {
			pins[m[1]] = Pin{Action: m[1], Commit: m[2], Version: version}
		}
	}
	return pins, nil
}

var pinLine = regexp.MustCompile(`(?m)uses: ([a-z0-9-]+/[a-z0-9-]+)@([0-9a-f]{40}) # (v[0-9]+(?:\.[0-9]+){0,2})$`)

// Adopt takes the pins that a bot has moved in a generated workflow itself: of
// those that the text does not have as it was generated, the later versions.
// before is nil where that text is not known.
func (p Pins) Adopt(workflow, before []byte) {
	generated := string(before)
	for _, m := range pinLine.FindAllStringSubmatch(string(workflow), -1) {
		have, known := p[m[1]]
		if known && !strings.Contains(generated, m[0]+"\n") && slices.Compare(numbers(m[3]), numbers(have.Version)) > 0 {
			p[m[1]] = Pin{Action: m[1], Commit: m[2], Version: m[3]}
		}
	}
}

// SameButPins tells whether two texts differ by nothing but commits of actions
// and the versions beside them.
func SameButPins(a, b []byte) bool { return bytes.Equal(WithoutPins(a), WithoutPins(b)) }

// WithoutPins is a text with the same lines, and actions without commits.
func WithoutPins(text []byte) []byte { return pinLine.ReplaceAll(text, []byte("uses: $1")) }

// MovedPins says how the actions of two texts differ, for people.
func MovedPins(from, to []byte) string {
	versions := map[string]string{}
	for _, m := range pinLine.FindAllSubmatch(from, -1) {
		versions[string(m[1])] = string(m[3])
	}
	var moved []string
	for _, m := range pinLine.FindAllSubmatch(to, -1) {
		action, version := string(m[1]), string(m[3])
		if was, known := versions[action]; known && was != version {
			moved = append(moved, action+" "+was+" -> "+version)
			versions[action] = version // once, however often it is used
		}
	}
	return strings.Join(moved, ", ")
}

// numbers are the parts of a version that pinVersion matches.
func numbers(version string) []int {
	out := make([]int, 3)
	for i, part := range strings.SplitN(strings.TrimPrefix(version, "v"), ".", len(out)) {
		out[i], _ = strconv.Atoi(part) // more digits than fit count as the largest number
	}
	return out
}

// Format writes PinsFile.
func (p Pins) Format() []byte {
	var b strings.Builder
	b.WriteString(`# The actions that the workflows rootfsgen-*.yml use, at these commits.
# A bot or a person moves them here; "rootfsgen generate" writes them into the workflows.
actions:
`)
	for _, name := range slices.Sorted(maps.Keys(p)) {
		fmt.Fprintf(&b, "  - uses: %s@%s # %s\n", name, p[name].Commit, p[name].Version)
	}
	return []byte(b.String())
}
