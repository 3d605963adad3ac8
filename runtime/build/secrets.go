package build

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// MissingSecrets is a build whose secrets have no values here.
type MissingSecrets struct {
	Target    model.TargetID
	Variables []string
}

// Error names the variables to set.
func (m *MissingSecrets) Error() string {
	what := "a secret in the variable " + m.Variables[0] + ", which is"
	if len(m.Variables) > 1 {
		what = "secrets in the variables " + strings.Join(m.Variables, ", ") + ", which are"
	}
	return fmt.Sprintf("building %s: it needs %s not set or empty\nhint: set it, here or as a secret of the forge, or take it out of secrets in the image.yaml", m.Target, what)
}

// ExitCode is that of a wrong call.
func (m *MissingSecrets) ExitCode() int { return 2 }

// secrets are the values that the build may mount, by id.
func (j *job) secrets() (map[string][]byte, error) {
	values := map[string][]byte{}
	var missing []string
	for _, id := range slices.Sorted(maps.Keys(j.entry.Recipe.Secrets)) {
		name := j.entry.Recipe.Secrets[id]
		if err := model.CheckSecretVariable(name); err != nil {
			return nil, fmt.Errorf("building %s: %w", j.entry.ID(), err) // the plan may be of anybody's making
		}
		if values[id] = []byte(j.Env(name)); len(values[id]) == 0 {
			missing = append(missing, name)
		}
	}
	if len(missing) > 0 {
		return nil, &MissingSecrets{Target: j.entry.ID(), Variables: slices.Compact(slices.Sorted(slices.Values(missing)))}
	}
	return values, nil
}
