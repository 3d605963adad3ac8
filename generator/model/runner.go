package model

import (
	"maps"
	"slices"
	"strings"
)

// The machine classes that are there without being configured.
const (
	RunnerSpotAMD64 = "spot-amd64"
	RunnerSpotARM64 = "spot-arm64"
	RunnerSmall     = "small"
	RunnerHosted    = "hosted" // a machine of the forge itself, for requests from forks
)

// Runner is one class of machines: how each forge selects one, and what it is
// like.
type Runner struct {
	GitHub []string // runs-on labels
	GitLab []string // tags

	DiskGB         int      // free space for builds; 0 is not known
	TimeoutSeconds int      // longest time that a job may take there; 0 is what the job has
	Price          float64  // of one hour, in whatever currency the others are; 0 is not known
	BootSeconds    int      // from the request of a machine to the begin of its job; 0 is not known
	Spot           bool     // may be taken away while a job runs
	OnDemand       string   // class that has the last attempt of a job that was lost; empty is this one
	Devices        []string // what images may need: "gpu"

	Image     string            // that jobs run in; empty is the machine itself
	Services  []Service         // containers beside each job
	Variables map[string]string // of each job's environment
}

// Spot says what happens to jobs that are lost with their machine.
type Spot struct {
	Attempts int // how often such a job runs in all
}

// How often a lost job runs in all. GitHub lets a run be repeated 50 times.
const (
	DefaultSpotAttempts = 3
	MaxSpotAttempts     = 10
)

// ResultCheck is the name of the job that always runs and sums up the others:
// the one check to require. It fails whenever another job did not succeed.
const ResultCheck = "rootfsgen / result"

// WithDevice are the classes of machines that have a device, sorted.
func (s *Settings) WithDevice(device string) []string {
	var classes []string
	for _, name := range slices.Sorted(maps.Keys(s.Runners)) {
		if slices.Contains(s.Runners[name].Devices, device) {
			classes = append(classes, name)
		}
	}
	return classes
}

// ClassArch is the architecture of a class's machines: that of one whose name
// ends in "-arm64" is arm64, and any other's is amd64.
func ClassArch(class string) string {
	if strings.HasSuffix(class, "-"+LinuxARM64.Arch) {
		return LinuxARM64.Arch
	}
	return LinuxAMD64.Arch
}

// OwnClasses are the classes of machines that one has to set up for a forge,
// "github" or "gitlab", sorted: not those that are the forge's own.
func (s *Settings) OwnClasses(forge string) []string {
	var classes []string
	for _, name := range slices.Sorted(maps.Keys(s.Runners)) {
		r := s.Runners[name]
		own := slices.Contains(r.GitHub, "self-hosted")
		if forge != "github" {
			own = len(r.GitLab) > 0 && !slices.ContainsFunc(r.GitLab, func(tag string) bool { return strings.HasPrefix(tag, "saas-") })
		}
		if own {
			classes = append(classes, name)
		}
	}
	return classes
}
