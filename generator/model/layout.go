package model

// How the jobs of a fleet are arranged in its pipelines.
const (
	LayoutAuto  = "auto"  // graph where the forge takes it, else waves
	LayoutGraph = "graph" // a job for each image, which waits for its parents and for nothing else
	LayoutWaves = "waves" // matrices of the images of one level, which wait for the level before
)

// Layouts are the values of Settings.Layout, sorted.
func Layouts() []string { return []string{LayoutAuto, LayoutGraph, LayoutWaves} }
