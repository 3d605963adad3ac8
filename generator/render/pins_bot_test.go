package render_test

import (
	"encoding/json"
	"os"
	"regexp"
	"strings"
	"testing"

	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// block is the first block of a language in the guide.
func block(t *testing.T, language string) []byte {
	t.Helper()
	guide, err := os.ReadFile("../../docs/guide/ownership.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, found := strings.Cut(string(guide), language)
	text, _, closed := strings.Cut(rest, "\n```\n")
	if !found || !closed {
		t.Fatalf("the guide has no %q", language)
	}
	return []byte(text)
}

// TestRenovateMovesPins does to the file of pins what Renovate does with the
// configuration in the guide: it finds what the expression names, and replaces
// value and digest.
func TestRenovateMovesPins(t *testing.T) {
	t.Parallel()
	var config struct {
		CustomManagers []struct {
			ManagerFilePatterns, MatchStrings []string
		}
	}
	if err := json.Unmarshal(block(t, "```json\n"), &config); err != nil {
		t.Fatal(err)
	}
	m := config.CustomManagers[0]
	if file := regexp.MustCompile(strings.Trim(m.ManagerFilePatterns[0], "/")); !file.MatchString(render.PinsFile) {
		t.Errorf("%s does not match %s", file, render.PinsFile)
	}
	match := regexp.MustCompile(strings.ReplaceAll(m.MatchStrings[0], "(?<", "(?P<"))
	before := render.DefaultPins()
	text := string(before.Format())
	found := match.FindAllStringSubmatch(text, -1)
	if len(found) != len(before) {
		t.Fatalf("found %v", found)
	}
	for _, dep := range found {
		digest, value := dep[match.SubexpIndex("currentDigest")], dep[match.SubexpIndex("currentValue")]
		moved := strings.Replace(strings.Replace(dep[0], digest, strings.Repeat("a", 40), 1), value, "v99.1.0", 1)
		text = strings.Replace(text, dep[0], moved, 1)
	}
	after, err := render.ParsePins([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	for action := range before {
		if p := after[action]; p.Version != "v99.1.0" || p.Commit != strings.Repeat("a", 40) {
			t.Errorf("%s: %v", action, p)
		}
	}
}

// TestDependabotSeesPins reads the configuration in the guide, and looks for
// the actions in the only files that Dependabot reads: the workflows.
func TestDependabotSeesPins(t *testing.T) {
	t.Parallel()
	var config struct {
		Updates []struct {
			Ecosystem string `yaml:"package-ecosystem"`
			Directory string
			Cooldown  struct {
				Days int `yaml:"default-days"`
			}
		}
	}
	if err := yaml.Unmarshal(block(t, "`.github/dependabot.yml`:\n\n```yaml\n"), &config); err != nil {
		t.Fatal(err)
	}
	if u := config.Updates[0]; u.Ecosystem != "github-actions" || u.Directory != "/" || u.Cooldown.Days < 7 {
		t.Errorf("got %+v", u)
	}
	seen := map[string]bool{}
	for file, text := range fixtures()["source"].files(t) {
		if strings.HasPrefix(file, ".github/workflows/") {
			for action := range render.DefaultPins() {
				seen[action] = seen[action] || strings.Contains(string(text), "uses: "+action+"@")
			}
		}
	}
	for action := range render.DefaultPins() {
		if !seen[action] {
			t.Errorf("%s is in no workflow: Dependabot would never move it", action)
		}
	}
}
