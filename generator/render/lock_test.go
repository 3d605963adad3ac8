package render_test

import (
	"strings"
	"testing"
)

// TestLockAsksWhatFailed has the lock's job ask what came of its last offer only
// where that counts, and gives it no more rights than that takes.
func TestLockAsksWhatFailed(t *testing.T) {
	t.Parallel()
	const hub, lab = ".github/workflows/rootfsgen-lock.yml", ".gitlab/rootfsgen/pipeline.yml"
	plain, counted := fixtures()["small"], fixtures()["small"]
	counted.fleet.Settings.Updates.BackoffSeconds = 3600
	for _, file := range []string{hub, lab} {
		for text, is := range map[string]bool{string(plain.files(t)[file]): false, string(counted.files(t)[file]): true} {
			if strings.Contains(text, "rootfsrun ci tried --branch rootfsgen/lock") != is || strings.Contains(text, "--offered rootfsgen-ci/tried/offered --failed rootfsgen-ci/tried/failed.txt") != is {
				t.Errorf("%s: asks: %v\n%s", file, !is, text)
			}
			if file == hub && strings.Contains(text, "actions: read") != is {
				t.Errorf("the job may read runs: %v", !is)
			}
		}
	}
}
