package tool

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"syscall"
)

// Daemon starts the program in a session of its own, so that it outlives this
// process and no signal to its process group reaches it. It holds none of this
// process's streams open: it reads nothing, and what it prints goes to log.
// The channel is closed once the program has ended while this process is still
// there to see it. Command's streams and Secrets are not used.
func (c Command) Daemon(log *os.File) (pid int, ended <-chan struct{}, err error) {
	path, err := exec.LookPath(c.Name)
	if err != nil {
		return 0, nil, fmt.Errorf("%w: %s", ErrNotFound, c.Name)
	}
	cmd := exec.CommandContext(context.Background(), path, c.Args...) // nothing of this process ends it
	cmd.Dir = c.Dir
	cmd.Env = append(Environ(), c.Env...)
	cmd.Stdout, cmd.Stderr = log, log
	cmd.SysProcAttr = &syscall.SysProcAttr{Setsid: true}
	if err := cmd.Start(); err != nil {
		return 0, nil, fmt.Errorf("starting %s: %w", c.Name, err)
	}
	done := make(chan struct{})
	go func() {
		_ = cmd.Wait() // how it ended is in its log
		close(done)
	}()
	return cmd.Process.Pid, done, nil
}
