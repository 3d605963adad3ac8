package render

import (
	"slices"
	"strings"
)

// labels is actionlint's configuration: the labels of people's own machines.
type labels struct{ Labels []string }

func (l *labels) tree() map[string]any {
	return map[string]any{"self-hosted-runner": map[string]any{"labels": list(l.Labels)}}
}

// actionlint collects the labels that are not GitHub's own.
func (g *github) actionlint() *labels {
	l := &labels{Labels: []string{}}
	for _, r := range g.p.Runners {
		for _, name := range r.GitHub {
			if !hosted(name) {
				l.Labels = append(l.Labels, name)
			}
		}
	}
	slices.Sort(l.Labels)
	l.Labels = slices.Compact(l.Labels)
	return l
}

// hosted tells whether GitHub itself gives a meaning to a label.
func hosted(label string) bool {
	switch l := strings.ToLower(label); l {
	case "self-hosted", "linux", "x64", "arm64":
		return true
	default:
		return strings.HasPrefix(l, "ubuntu-")
	}
}
