//go:build !linux

package app

// inLargePages does nothing: only Linux can be asked for large pages.
func inLargePages() {}
