package app

import (
	"runtime"
	"runtime/debug"

	"golang.org/x/sys/unix"
)

// A command that needs less memory than spared ends before it would pay to
// collect any. What needs more is kept below most as far as that can be.
const (
	spared = 768 << 20
	large  = 640 << 20 // in large pages
	most   = 900 << 20
)

// SpareCollector tells the garbage collector to begin only when there is much
// to collect, and to be thrifty from then on.
func SpareCollector() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(spared)
	inLargePages()
	first := new([16]byte)
	runtime.AddCleanup(first, func(percent int) {
		debug.SetMemoryLimit(most)
		debug.SetGCPercent(percent)
	}, 400)
}

// inLargePages asks the kernel for large pages behind the first part of the
// heap: a command that fills an empty heap spends a quarter of its time on
// getting small ones, one by one. What is not used costs nothing. A machine
// with little memory is left as it is.
func inLargePages() {
	var machine unix.Sysinfo_t
	if unix.Sysinfo(&machine) != nil || machine.Totalram*uint64(machine.Unit) < 4*large {
		return
	}
	heap := make([]byte, large)
	if unix.Madvise(heap, unix.MADV_HUGEPAGE) != nil {
		return // it is advice: small pages do as well
	}
	runtime.GC() // takes the heap back, of which nothing was written to
}
