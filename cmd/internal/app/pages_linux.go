package app

import (
	"runtime"

	"golang.org/x/sys/unix"
)

// inLargePages asks the kernel for large pages behind the first part of the
// heap: a command that fills an empty heap spends a quarter of its time on
// getting small ones, one by one. What is not used costs nothing. A machine
// with little memory is left as it is.
func inLargePages() {
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) != nil || machine.Totalram*uint64(machine.Unit) < 4*large {
		return
	}
	// Piece by piece: where a piece begins on what was used before, Go clears it
	// whole, and so writes to all of it.
	pieces := make([][]byte, 0, large/piece)
	for range large / piece {
		heap := make([]byte, piece)
		if unix.Madvise(heap, unix.MADV_HUGEPAGE) != nil {
			break // it is advice: small pages do as well
		}
		pieces = append(pieces, heap)
	}
	runtime.KeepAlive(pieces)
	runtime.GC() // takes the heap back, of which nothing was written to but such a piece
}

// piece is as much as Go asks the system for at once.
const piece = 64 << 20
