package app

import (
	"runtime"
	"runtime/debug"
)

// A command that needs less memory than spared ends before it would pay to
// collect any. What needs more is kept below most as far as that can be.
const (
	spared = 768 << 20
	large  = 640 << 20 // in large pages
	most   = 900 << 20
)

// SpareCollector tells the garbage collector, in a program that is Brief, to
// begin only when there is much to collect, and to be thrifty from then on. It
// is for commands that are about to load a whole fleet; others have no use for
// it.
func (a *App) SpareCollector() {
	if !a.brief {
		return
	}
	debug.SetGCPercent(-1)
	debug.SetMemoryLimit(spared)
	inLargePages()
	first := new([16]byte)
	runtime.AddCleanup(first, func(percent int) {
		debug.SetMemoryLimit(most)
		debug.SetGCPercent(percent)
	}, 400)
}
