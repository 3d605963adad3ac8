// Package bench measures the speed that docs/performance.md promises. Each
// benchmark compares within one run on one machine and reports ratios or
// seconds; none judges.
//
//	make bench                      everything, about fifteen minutes
//	make bench BENCHFLAGS=-bench.work=5s with less work in the Dockerfile
//	make bench BENCHFLAGS=-bench.sizes=1000,10000 without the largest fleet
package bench
