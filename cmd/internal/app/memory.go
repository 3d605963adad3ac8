package app

import (
	"math"
	"runtime"
	"runtime/debug"
)

// quiet is how much memory is used before any is given back: a command that
// needs less ends before that would pay.
const quiet = 512 << 20

// SpareCollector tells the garbage collector to begin only when there is much
// to collect, and to be thrifty from then on.
func SpareCollector() {
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(quiet)
	first := new([16]byte)
	runtime.AddCleanup(first, func(percent int) {
		debug.SetGCPercent(percent)
		debug.SetMemoryLimit(math.MaxInt64)
	}, 100)
}
