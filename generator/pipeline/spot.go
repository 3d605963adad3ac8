package pipeline

import (
	"maps"
	"slices"
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Watchdog is the job that runs lost jobs again, where the forge does not.
const Watchdog Kind = "watchdog"

// The variables of the watchdog.
const (
	VarRun      Var = "ROOTFSGEN_RUN"      // number of the run that has ended
	VarAttempts Var = "ROOTFSGEN_ATTEMPTS" // how often a lost job runs in all
)

// watch lays the watchdog out, if there are jobs that it could run again. It
// takes nothing from the run that it looks at but its number: its programs
// are the release's, the machine's or the default branch's own.
func (p *Pipeline) watch() {
	if !p.watched() {
		return
	}
	steps := append(p.watchdogPrograms(), Step{
		Verb: Run, Name: "Run the lost jobs again", Script: p.prologue() + lostScript, Vars: []Var{VarRun, VarForgeToken},
		Values: []Value{{VarAttempts, strconv.Itoa(p.Spot.Attempts)}},
	})
	for i := range steps {
		if steps[i].Verb == Run {
			steps[i].Values = append(steps[i].Values, p.surroundings()...)
		}
	}
	p.Fixed[Watchdog] = Job{Kind: Watchdog, Runner: model.RunnerSmall, Minutes: minutesShort, Steps: steps}
}

// watched tells whether any job can be lost and may run again.
func (p *Pipeline) watched() bool {
	spot := slices.ContainsFunc(slices.Collect(maps.Values(p.Runners)), func(r model.Runner) bool { return r.Spot })
	return spot && p.Spot.Attempts > 1 && len(p.built()) > 0
}

func (p *Pipeline) watchdogPrograms() []Step {
	switch p.Runtime {
	case model.RuntimeRelease:
		return []Step{p.fetch("rootfsrun")}
	case model.RuntimeSource:
		return []Step{
			{Verb: Run, Name: "Get the default branch", Script: strict + p.trust() + defaultBranchScript, Vars: []Var{VarForgeToken}},
			{Verb: SetupGo, Name: "Set up Go"},
			{Verb: Run, Name: "Compile the program", Script: strict + p.trust() + compileScript(runtimeAlone, false)},
		}
	}
	return nil
}

// defaultBranchScript gets the newest source of the default branch, which is
// what the forge runs the watchdog from, and no repository.
const defaultBranchScript = `printf 'Authorization: Bearer %s\n' "$` + string(VarForgeToken) + `" |
  curl --fail --silent --show-error --location --proto '=https' --proto-redir '=https' --header @- \
    --retry 4 --connect-timeout 20 --max-time 300 --output source.tar.gz \
    "$GITHUB_API_URL/repos/$GITHUB_REPOSITORY/tarball/$GITHUB_SHA"
tar --extract --gzip --strip-components 1 --file source.tar.gz
rm source.tar.gz
`

const lostScript = `rootfsrun ci lost --run "$` + string(VarRun) + `" --attempts "$` + string(VarAttempts) + `" --rerun
`

// LastLabels are, by machine class, the labels that a forge selects a machine
// by for the last attempt of a lost job. It is nil where no class has such
// labels of its own.
func (p *Pipeline) LastLabels(forge string) map[string][]string {
	last := map[string][]string{}
	own := false
	for class, r := range p.Runners {
		last[class] = Labels(r, forge)
		if steady := p.LastClass(class); steady != "" {
			last[class], own = Labels(p.Runners[steady], forge), true
		}
	}
	if !own {
		return nil
	}
	return last
}

// takeOnDemand keeps the classes of last attempts, too, where a forge chooses
// a machine for each attempt.
func (p *Pipeline) takeOnDemand(s *model.Settings) diag.List {
	var list diag.List
	if !slices.Contains(p.Forges, GitHub) {
		return list
	}
	for _, class := range slices.Sorted(maps.Keys(p.Runners)) {
		last := p.Runners[class].OnDemand
		if r, found := s.Runners[last]; found {
			p.Runners[last] = r
			list = append(list, checkLabels(last, GitHub, "the last attempt of what "+class+" lost", r.GitHub)...)
		}
	}
	return list
}

// bound is a time limit in minutes on a machine of a class.
func bound(minutes int, r model.Runner) int {
	if r.TimeoutSeconds > 0 {
		return min(minutes, wholeMinutes(r.TimeoutSeconds))
	}
	return minutes
}

func wholeMinutes(seconds int) int { return (seconds + 59) / 60 }

// bounded bounds the jobs by what their machines allow, and tells which images
// want more time than that.
func (p *Pipeline) bounded(fleet *model.Fleet) diag.List {
	var list diag.List
	for kind, j := range p.Fixed {
		j.Minutes = bound(j.Minutes, p.Runners[j.Runner])
		p.Fixed[kind] = j
	}
	timeouts := map[string]int{} // of images that have one
	names := namesOf(fleet)
	for i := range fleet.Images {
		if t := fleet.Images[i].TimeoutSeconds; t > 0 {
			timeouts[names[fleet.Images[i].Node()]] = t
		}
	}
	for i := range p.Images {
		list = append(list, p.boundImage(&p.Images[i], timeouts[p.Images[i].ID])...)
	}
	return list
}

// boundImage gives the build job of an image the time of its image, or of its
// machines where the image says none; the longest of its platforms counts.
func (p *Pipeline) boundImage(i *Image, timeout int) diag.List {
	var list diag.List
	longest := 0
	for _, l := range i.Legs {
		class := p.Runners[l.Runner]
		switch {
		case class.TimeoutSeconds == 0:
			longest = max(longest, i.Minutes)
		case timeout > class.TimeoutSeconds:
			list.Errorf("timeout", diag.Pos{File: settingsFile}, "give the class "+l.Runner+" more time, or the image less",
				"image %s may take %s, and a machine of class %q has %s", i.ID, span(timeout), l.Runner, span(class.TimeoutSeconds))
		case timeout > 0:
			longest = max(longest, bound(i.Minutes, class))
		default:
			longest = max(longest, wholeMinutes(class.TimeoutSeconds))
		}
	}
	if longest > 0 {
		i.Minutes = longest
	}
	return list
}

// span writes seconds as people do.
func span(seconds int) string {
	var parts []string
	for _, u := range []struct {
		seconds int
		name    string
	}{{3600, "h"}, {60, "m"}, {1, "s"}} {
		if n := seconds / u.seconds; n > 0 {
			parts = append(parts, strconv.Itoa(n)+u.name)
		}
		seconds %= u.seconds
	}
	return strings.Join(parts, "")
}
