package services

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one process for as long as the machine runs: a process id alone
// may come to mean another process.
type process struct {
	PID     int    `json:"pid"`
	Started uint64 `json:"started"` // ticks after the machine's start, as the kernel has it
	Boot    string `json:"boot"`    // the machine's current start
}

// identify describes the running process with that id; false when there is
// none, or only its remains.
func identify(pid int) (process, bool) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
	if err != nil {
		return process{}, false
	}
	// The second field is the program's name in parentheses, which may hold
	// spaces and parentheses itself.
	end := bytes.LastIndexByte(b, ')')
	fields := strings.Fields(string(b[end+1:]))
	if end < 0 || len(fields) < 20 {
		return process{}, false
	}
	// A process whose first thread has ended is marked as ended while its
	// others still hold files and sockets.
	if ended := fields[0] == "Z" || fields[0] == "X"; ended && (fields[17] == "0" || fields[17] == "1") {
		return process{}, false
	}
	started, err := strconv.ParseUint(fields[19], 10, 64)
	if err != nil {
		return process{}, false
	}
	boot, err := os.ReadFile("/proc/sys/kernel/random/boot_id")
	if err != nil {
		return process{}, false
	}
	return process{PID: pid, Started: started, Boot: strings.TrimSpace(string(boot))}, true
}

// alive tells whether exactly this process still runs.
func (p process) alive() bool {
	if p.PID <= 0 {
		return false
	}
	now, found := identify(p.PID)
	return found && now == p
}

// open gets a handle that goes on meaning this process whatever becomes of
// its id; false when it has ended.
func (p process) open() (fd int, ok bool) {
	if p.PID <= 0 {
		return -1, false
	}
	fd, err := openPID(p.PID)
	if err != nil {
		return -1, false
	}
	if !p.alive() {
		_ = unix.Close(fd)
		return -1, false
	}
	return fd, true
}

// children are the processes that p started.
func (p process) children() []process {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/task/%d/children", p.PID, p.PID))
	if err != nil {
		return nil
	}
	var out []process
	for field := range strings.FieldsSeq(string(b)) {
		pid, err := strconv.Atoi(field)
		if err != nil {
			continue
		}
		if child, found := identify(pid); found {
			out = append(out, child)
		}
	}
	return out
}

// signal sends sig to exactly this process, if it still runs.
func (p process) signal(sig unix.Signal) {
	if fd, ok := p.open(); ok {
		signalTo(fd, sig)
		_ = unix.Close(fd)
	}
}

// kill ends the process by force, and returns true once it and its children
// have ended.
func (p process) kill() bool {
	all := append(p.children(), p)
	p.signal(unix.SIGKILL)
	ended := true
	for _, q := range all {
		ended = q.wait(context.Background(), forcedEnd) && ended
	}
	return ended
}

// wait returns true once the process has ended, false after the timeout or
// when ctx is done.
func (p process) wait(ctx context.Context, timeout time.Duration) bool {
	fd, ok := p.open()
	if !ok {
		return true
	}
	defer func() { _ = unix.Close(fd) }()
	deadline := time.Now().Add(timeout)
	for ctx.Err() == nil {
		left := time.Until(deadline)
		if left <= 0 {
			return false
		}
		// Short turns, so that ctx is seen.
		turn := min(left, 100*time.Millisecond)
		fds := []unix.PollFd{{Fd: int32(fd), Events: unix.POLLIN}}
		n, err := unix.Poll(fds, int(turn.Milliseconds())+1)
		if err != nil && !errors.Is(err, unix.EINTR) {
			return false
		}
		if n > 0 {
			return true
		}
	}
	return false
}

// processes are those to end: the daemon's, if it is there, and its
// strays.
func (d *daemon) processes(program, argument string) []process {
	all := strays(program, argument)
	if d != nil && d.alive() && !slices.Contains(all, d.process) {
		all = append(all, d.process)
	}
	return all
}

// strays are the running processes of the named program that were started
// with that argument. They are ours though no state names them: whoever
// started them was killed before it could write them down.
func strays(program, argument string) []process {
	dirs, err := filepath.Glob("/proc/[0-9]*")
	if err != nil {
		return nil
	}
	var out []process
	for _, dir := range dirs {
		b, err := os.ReadFile(filepath.Join(dir, "cmdline"))
		if err != nil {
			continue
		}
		argv := strings.Split(string(b), "\x00")
		if filepath.Base(argv[0]) != program {
			continue
		}
		pid, err := strconv.Atoi(filepath.Base(dir))
		if err != nil {
			continue
		}
		for _, a := range argv[1:] {
			if a != argument {
				continue
			}
			if p, found := identify(pid); found {
				out = append(out, p)
			}
			break
		}
	}
	return out
}
