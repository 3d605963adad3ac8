package audit_test

import (
	"io/fs"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"
)

// TestABotMovesEveryPinOfThisRepository holds its dependabot.yml against what
// pins something: actions, and each file of modules or packages.
func TestABotMovesEveryPinOfThisRepository(t *testing.T) {
	t.Parallel()
	text, err := os.ReadFile("../../.github/dependabot.yml")
	if err != nil {
		t.Fatal(err)
	}
	var config struct {
		Updates []struct {
			Ecosystem   string `yaml:"package-ecosystem"`
			Directory   string
			Directories []string
		}
	}
	if err := yaml.Unmarshal(text, &config); err != nil {
		t.Fatal(err)
	}
	moved := map[string][]string{}
	for _, u := range config.Updates {
		if u.Directory != "" {
			u.Directories = append(u.Directories, u.Directory)
		}
		moved[u.Ecosystem] = append(moved[u.Ecosystem], u.Directories...)
	}
	pinned := map[string][]string{"github-actions": {"/"}}
	of := map[string]string{"go.mod": "gomod", "package.json": "npm"}
	err = fs.WalkDir(os.DirFS("../.."), ".", func(name string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		base := path.Base(name)
		if d.IsDir() && (base == "testdata" || base == "node_modules" || name != "." && strings.HasPrefix(base, ".")) {
			return filepath.SkipDir
		}
		if ecosystem := of[base]; ecosystem != "" {
			pinned[ecosystem] = append(pinned[ecosystem], path.Join("/", path.Dir(name)))
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, all := range []map[string][]string{moved, pinned} {
		for ecosystem := range all {
			slices.Sort(all[ecosystem])
		}
	}
	if d := cmp.Diff(pinned, moved); d != "" {
		t.Errorf("-pinned +moved:\n%s", d)
	}
}
