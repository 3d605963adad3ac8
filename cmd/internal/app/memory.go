package app

import (
	"runtime"
	"runtime/debug"
)

// A command that needs less memory than spared ends before it would pay to
// collect any. What needs more is kept below most as far as that can be.
const (
	spared = 768 << 20
	most   = 900 << 20
)

// SpareCollector tells the garbage collector to begin only when there is much
// to collect, and to be thrifty from then on.
func SpareCollector() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(spared)
	first := new([16]byte)
	runtime.AddCleanup(first, func(percent int) {
		debug.SetMemoryLimit(most)
		debug.SetGCPercent(percent)
	}, 100)
}
