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
	heap := make([]byte, large)
	if unix.Madvise(heap, unix.MADV_HUGEPAGE) != nil {
		return // it is advice: small pages do as well
	}
	runtime.GC() // takes the heap back, of which nothing was written to
}
