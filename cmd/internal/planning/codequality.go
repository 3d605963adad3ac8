package planning

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"

	"github.com/rootfsgen/rootfsgen/generator/diag"
)

// writeCodeQuality keeps what is wrong for GitLab, which shows it beside the
// lines of a request. An empty report is written, too: GitLab compares it with
// that of the target branch, and what is mended is shown as mended.
func writeCodeQuality(file string, list diag.List) error {
	if file == "" {
		return nil
	}
	var b bytes.Buffer
	if err := list.Print(&b, "gitlab", false); err != nil {
		return fmt.Errorf("writing --code-quality: %w", err)
	}
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("writing --code-quality: %w", err)
	}
	if err := os.WriteFile(file, b.Bytes(), 0o644); err != nil {
		return fmt.Errorf("writing --code-quality: %w", err)
	}
	return nil
}
