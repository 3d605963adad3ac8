package source

import (
	"maps"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// runnerSettings is a machine class as it is written: what is empty or nil is
// not.
type runnerSettings struct {
	model.Runner
	spot       *bool
	onDemandAt diag.Pos
}

// The bounds of what a class may say of its machines.
const (
	maxClassTimeout = 5 * 24 * time.Hour // GitHub's for a machine of one's own
	maxBoot         = time.Hour
	maxDiskGB       = 1 << 20
	maxPrice        = 10000
)

var deviceName = text{name: "a device", max: 32, expect: "lower-case letters, digits and -",
	pattern: regexp.MustCompile(`^[a-z0-9]+(-[a-z0-9]+)*$`)}

var runnersField = field[settings]{key: "runners", doc: "Machine classes: how each forge selects a machine, and what it is like. A class that is not named here keeps its default, and so does a forge that a class leaves out.",
	defWords: "`spot-amd64`, `spot-arm64`, `small` and `hosted`",
	shape:    dict{keys: imageName, of: runnerShape}, set: func(s *settings, v value) { s.runners = v.pairs }}

var runnerShape = record[runnerSettings]{name: "a runner", fields: []field[runnerSettings]{
	{key: "github", doc: "Labels for GitHub's `runs-on`.", shape: list{of: runnerLabel, unique: true, nonzero: true},
		set: func(r *runnerSettings, v value) { r.GitHub = v.texts() }},
	{key: "gitlab", doc: "Tags of GitLab's runners.", shape: list{of: runnerLabel, unique: true, nonzero: true},
		set: func(r *runnerSettings, v value) { r.GitLab = v.texts() }},
	{key: "disk_gb", doc: "Free space for builds, in GB.", defWords: "not known", shape: number{min: 1, max: maxDiskGB, whole: true},
		set: func(r *runnerSettings, v value) { r.DiskGB = int(v.number) }},
	{key: "timeout", doc: "Longest time that a job may take on such a machine. It bounds what the jobs have, and is what a build has whose image gives no time of its own.", defWords: "what each job has", shape: duration{max: maxClassTimeout},
		set: func(r *runnerSettings, v value) { r.TimeoutSeconds = int(v.number) }},
	{key: "price", doc: "Price of one hour, for estimates, in whatever currency the other classes have theirs.", defWords: "not known", shape: number{min: 0, max: maxPrice},
		set: func(r *runnerSettings, v value) { r.Price = v.number }},
	{key: "boot", doc: "Time from the request of a machine to the begin of its job, for estimates.", defWords: "not known", shape: duration{max: maxBoot},
		set: func(r *runnerSettings, v value) { r.BootSeconds = int(v.number) }},
	{key: "spot", doc: "Such a machine may be taken away while a job runs.", defWords: "true for `spot-amd64` and `spot-arm64`, else false", shape: boolean{},
		set: func(r *runnerSettings, v value) { r.spot = &v.flag }},
	{key: "on_demand", doc: "Class that has the last attempt of a job that was lost with its machine (GitHub; see `spot`).", defWords: "the class itself", shape: imageName,
		set: func(r *runnerSettings, v value) { r.OnDemand, r.onDemandAt = v.text, v.pos }},
	{key: "devices", doc: "What such a machine has that images may need, for example `gpu`.", shape: list{of: deviceName, unique: true},
		set: func(r *runnerSettings, v value) { r.Devices = v.texts() }},
	runnerImageField, runnerServicesField, runnerVariablesField,
}}

var spotField = field[settings]{key: "spot", doc: "Jobs that are lost with their machine.",
	shape: spotShape, set: func(s *settings, v value) { s.model.Spot, _ = v.record.(model.Spot) }}

var spotShape = record[model.Spot]{name: "spot", fields: []field[model.Spot]{
	{key: "attempts", doc: "How often a job that is lost with its machine runs in all, the last time on the `on_demand` of its class. GitLab repeats a job at most twice.", def: model.DefaultSpotAttempts,
		shape: number{min: 1, max: model.MaxSpotAttempts, whole: true}, set: func(s *model.Spot, v value) { s.Attempts = int(v.number) }},
}}

// defaultRunners are the classes that are there without being configured.
func defaultRunners() map[string]model.Runner {
	return map[string]model.Runner{
		model.RunnerSpotAMD64: {GitHub: []string{"self-hosted", "linux", "x64", "spot"}, GitLab: []string{"linux", "amd64", "spot"}, Spot: true},
		model.RunnerSpotARM64: {GitHub: []string{"self-hosted", "linux", "arm64", "spot"}, GitLab: []string{"linux", "arm64", "spot"}, Spot: true},
		model.RunnerSmall:     {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"small"}},
		model.RunnerHosted:    {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"saas-linux-small-amd64"}},
	}
}

// classes applies the defaults.
func (s *settings) classes() map[string]model.Runner {
	all := defaultRunners()
	for _, p := range s.runners {
		written, _ := p.value.record.(runnerSettings)
		r, base := written.Runner, all[p.key]
		if len(r.GitHub) == 0 {
			r.GitHub = base.GitHub
		}
		if len(r.GitLab) == 0 {
			r.GitLab = base.GitLab
		}
		if r.Spot = base.Spot; written.spot != nil {
			r.Spot = *written.spot
		}
		all[p.key] = r
	}
	return all
}

// checkRunners refuses a last attempt that is no better than those before.
func (f *file) checkRunners(s *settings) {
	all := s.classes()
	for _, p := range s.runners {
		r, is := p.value.record.(runnerSettings)
		if !is || r.OnDemand == "" {
			continue
		}
		last, found := all[r.OnDemand]
		switch {
		case !found:
			f.errorf(RuleUnknownRunner, r.onDemandAt, nearest(r.OnDemand, slices.Sorted(maps.Keys(all))),
				"runners: %s: on_demand: there is no class %q; there are %s", p.key, r.OnDemand, strings.Join(slices.Sorted(maps.Keys(all)), ", "))
		case last.Spot:
			f.errorf(RuleNoEffect, r.onDemandAt, "name a class whose machines stay, or say spot: false there",
				"runners: %s: on_demand: machines of the class %q may be taken away, too", p.key, r.OnDemand)
		}
	}
}
