package enginetest

import (
	"os"

	"golang.org/x/sys/unix"
)

// memory is where Linux keeps files in memory for everybody.
const memory = "/dev/shm"

// enoughMemory is how many bytes must be free there. The engines of one test
// program use far less than half of it.
const enoughMemory = 8 << 30

// scratch is the folder that the engines' data goes below: memory, where that
// has room and programs may run from it, because what a build costs with small
// files is mostly waiting until databases are on a disk; else, the system's
// folder for temporary files.
func scratch() string {
	var s unix.Statfs_t
	if err := unix.Statfs(memory, &s); err != nil {
		return os.TempDir()
	}
	free := s.Bavail * uint64(s.Bsize) //nolint:gosec // a block's size is positive
	if s.Type != unix.TMPFS_MAGIC || s.Flags&(unix.ST_NOEXEC|unix.ST_NODEV|unix.ST_NOSUID) != 0 || free < enoughMemory {
		return os.TempDir()
	}
	return memory
}
