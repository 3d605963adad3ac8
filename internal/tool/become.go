package tool

import (
	"fmt"
	"os"
	"syscall"
)

// Become ends this program and goes on as another one, in the same process and
// with everything that this one was given: its terminal, its environment, who
// waits for it and what signals it. It returns only where that is not possible.
func Become(path string, args []string) error {
	err := syscall.Exec(path, append([]string{path}, args...), os.Environ()) //nolint:gosec // the caller has found the program, and a shell is not asked
	return fmt.Errorf("starting %s: %w", path, err)
}
