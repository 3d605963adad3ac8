package model_test

import (
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func TestSamePerson(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		same bool
	}{
		{"@ana", "@bo", false},
		{"ana@example.com", "platform-team", false},
		{"Ana Maria", "@org/team.x_y", false},
		{"@ana", "Ana", true},
		{"@ana", "@@ana", true},
		{"ana", "ana ", true},
		{"ana", "\uff41\uff4e\uff41", true},       // fullwidth
		{"ana", "an\u200ba", true},                // zero width
		{"ana", "\u0430na", true},                 // Cyrillic
		{"an\u0061\u0301", "an\u00e1", true},      // composed otherwise
		{"kim", "\u212aim", true},                 // the Kelvin sign
		{"ana", "", true},                         // nobody
		{"team  platform", "team platform", true}, // two blanks
	} {
		if got := model.SamePerson(c.a, c.b); got != c.same {
			t.Errorf("%q and %q: %v", c.a, c.b, got)
		}
	}
}

func TestMalicious(t *testing.T) {
	t.Parallel()
	for id, want := range map[string]bool{"MAL-2026-1": true, "mal-2026-1": true, "Mal-2026-1": true, "MALI-1": false, "CVE-2026-1": false} {
		if f := (model.Finding{ID: "X-1", Aliases: []string{id}}); f.Malicious() != want {
			t.Errorf("%s: %v", id, !want)
		}
	}
}
