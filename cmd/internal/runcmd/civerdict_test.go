package runcmd

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// TestAVerdictThatIsTooLongIsNotRead: what lies in a job's folder is read up to
// what a gate writes, and no further.
func TestAVerdictThatIsTooLongIsNotRead(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	file := filepath.Join(dir, "python-amd64.json")
	if err := os.WriteFile(file, []byte(`{"image":"python"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if all, err := readVerdicts(dir); err != nil || len(all) != 1 || all[0].Image != "python" {
		t.Errorf("%+v, %v", all, err)
	}
	if err := os.Truncate(file, gate.MaxVerdict+2); err != nil { // zeros that take no room
		t.Fatal(err)
	}
	if _, err := readVerdicts(dir); err == nil || !strings.Contains(err.Error(), "has more than the 33554433 bytes that are read") {
		t.Errorf("got %v", err)
	}
}
