package render

import (
	"fmt"
	"path"
	"strings"

	"go.yaml.in/yaml/v3"
)

// owned are the places that generated files lie in; nothing else is ever
// pruned.
var owned = []string{ghFolder + "rootfsgen-*.yml", ".gitlab/rootfsgen/*.yml", GitLabFile, ActionlintFile}

// Owned are the places, as globs, where a file with our header may be removed
// when it is no longer generated.
func Owned() []string { return append([]string(nil), owned...) }

// Shared tells whether people may have a file of their own at this place. It
// is then theirs: nothing is written there.
func Shared(name string) bool { return name == GitLabFile || name == ActionlintFile }

// Editable tells whether an edit by hand of a generated file can have an
// effect: the jobs of GitLab's fleet are started from the plan, as they are
// generated, and are only held against the file.
func Editable(name string) bool {
	return !strings.HasPrefix(name, strings.TrimSuffix(GitLabFleet, ".yml"))
}

// Readable tells whether a text is one YAML mapping without a key twice. The
// error names the line that is not.
func Readable(text []byte) error {
	var doc map[string]any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		return fmt.Errorf("it cannot be read: %s", strings.Join(strings.Fields(err.Error()), " "))
	}
	return nil
}

// IncludeLines are what a GitLab file of somebody's own must have to run the
// generated pipeline.
func IncludeLines() string {
	return "include:\n  - local: " + GitLabPipeline + "\nstages: [" + strings.Join(glStages, ", ") + "]   # beside your own\n"
}

// IsOwned tells whether name is one of the places of generated files.
func IsOwned(name string) bool {
	for _, g := range owned {
		if ok, _ := path.Match(g, name); ok { // the globs are well-formed
			return true
		}
	}
	return false
}

// KeepPins is the text of PinsFile: the one on disk as it is, with its order
// and comments, when it names every action; else a new one that keeps what it
// says.
func KeepPins(disk []byte, pins Pins) []byte {
	for name, p := range pins {
		if !strings.Contains(string(disk), "uses: "+name+"@"+p.Commit+" # "+p.Version+"\n") {
			return pins.Format()
		}
	}
	return disk
}
