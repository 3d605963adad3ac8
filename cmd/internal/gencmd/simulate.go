package gencmd

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"github.com/rootfsgen/rootfsgen/cmd/internal/app"
	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
	"github.com/rootfsgen/rootfsgen/cmd/internal/term"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/plan"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/simulate"
)

// simulating is the flags of simulate.
type simulating struct {
	options    planning.Options
	plan       string
	times      string
	runners    []string
	preemption float64
	seed       uint64
	forge      string
	layout     string
}

func simulateCommand(a *app.App) *cobra.Command {
	var o simulating
	cmd := &cobra.Command{
		Use: "simulate [IMAGE...]", Short: "Say how long the generated pipelines would take, and what they would cost",
		Long: `Say how long the generated pipelines would take, and what they would cost.

The jobs that a plan runs are played through as the pipelines arrange them, on
each forge and in each layout. Each job has a machine of its own, with the boot
and the price that runners has for its class. Without --plan, what would be
built now is simulated; --all is everything.

--times names a file of seconds, as "rootfsrun ci summary --times" writes it
from what earlier runs took; what is not in it is guessed, and the guesses are
counted. --preemption takes Spot machines away at random: a job that is lost so
runs again, on GitHub when all others have ended, as often as spot.attempts
says. The same --seed takes the same machines.

PATH is the longest chain of jobs that wait for one another: no number of
machines makes the pipeline shorter. TO GRAPH is the makespan as a multiple of
that of the layout "graph" on the same forge, and so says what waves cost.
REPEATED is machine time that was lost.`,
		Example: `  rootfsgen simulate --all
  rootfsgen simulate --all --times times.json --runners spot-amd64=4 --preemption 0.5
  rootfsgen simulate python --force python --forge gitlab --layout graph --json`,
		Args:              cobra.ArbitraryArgs,
		ValidArgsFunction: planning.CompleteImages(a),
		RunE: func(cmd *cobra.Command, args []string) error {
			o.options.Images = args
			return o.run(cmd.Context(), a)
		},
	}
	o.options.Flags(cmd, planning.CompleteImages(a))
	o.options.PlatformsFlag(cmd)
	f := cmd.Flags()
	f.StringVar(&o.plan, "plan", "", "the plan to simulate, as \"rootfsgen plan --format json\" wrote it (default: plan now)")
	f.StringVar(&o.times, "times", "", "`file` of how long jobs take, as JSON")
	f.StringArrayVar(&o.runners, "runners", nil, "machines of a class at once, `CLASS=N`; may be repeated (default: as many as are wanted)")
	f.Float64Var(&o.preemption, "preemption", 0, "how often a Spot machine is taken away, per hour that it runs")
	f.Uint64Var(&o.seed, "seed", 1, "which machines are taken away")
	f.StringVar(&o.forge, "forge", "", "github or gitlab (default: both)")
	f.StringVar(&o.layout, "layout", "", "graph or waves (default: both)")
	app.Values(cmd, "forge", pipeline.GitHub, pipeline.GitLab)
	app.Values(cmd, "layout", model.LayoutGraph, model.LayoutWaves)
	return cmd
}

func (o *simulating) run(ctx context.Context, a *app.App) (err error) {
	forges, err := oneOf("--forge", o.forge, pipeline.GitHub, pipeline.GitLab)
	if err != nil {
		return err
	}
	layouts, err := oneOf("--layout", o.layout, model.LayoutGraph, model.LayoutWaves)
	if err != nil {
		return err
	}
	times, err := o.readTimes()
	if err != nil {
		return err
	}
	s, err := planning.Load(ctx, a, o.options)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, s.Close()) }()
	set := &s.Now.Fleet.Settings
	world := &simulate.World{Classes: set.Runners, Preemption: o.preemption, Attempts: set.Spot.Attempts, Seed: o.seed}
	if world.Runners, err = machines(o.runners, set.Runners); err != nil {
		return err
	}
	if !(o.preemption >= 0 && o.preemption <= mostPreemption) {
		return app.Fail(app.ExitUsage, fmt.Errorf("invalid --preemption %g: expected 0 to %d per hour", o.preemption, mostPreemption))
	}
	p, err := o.decided(ctx, s)
	if err != nil {
		return err
	}
	emitted, err := emittedBy(s, p, times)
	if err != nil {
		return err
	}
	var results []*simulate.Result
	for _, forge := range forges {
		for _, layout := range layouts {
			e := *emitted
			e.Forge, e.Layout, e.Room = forge, layout, render.Room(emitted.All, forge)
			results = append(results, world.Run(e.Graph()))
		}
	}
	simulate.Beside(results)
	guessed := guesses(p, times)
	if a.JSON {
		return json.NewEncoder(a.Out).Encode(map[string]any{"version": 1, "results": results, "guessed": guessed})
	}
	return printSimulated(a, results, guessed)
}

// mostPreemption is a machine that lives for less than four seconds.
const mostPreemption = 1000

// oneOf is what a flag chooses, all of them where it says nothing.
func oneOf(flag, chosen string, all ...string) ([]string, error) {
	switch {
	case chosen == "":
		return all, nil
	case slices.Contains(all, chosen):
		return []string{chosen}, nil
	}
	return nil, app.Fail(app.ExitUsage, fmt.Errorf("invalid %s %q: expected %s", flag, chosen, strings.Join(all, " or ")))
}

func (o *simulating) readTimes() (*simulate.Times, error) {
	if o.times == "" {
		return &simulate.Times{}, nil
	}
	text, err := os.ReadFile(o.times)
	if err != nil {
		return nil, app.Unread("--times", err)
	}
	times, err := simulate.DecodeTimes(text)
	if err != nil {
		return nil, app.Damaged("--times "+o.times, err)
	}
	return times, nil
}

// machines reads how many there are of each class.
func machines(given []string, classes map[string]model.Runner) (map[string]int, error) {
	out := map[string]int{}
	for _, g := range given {
		class, number, found := strings.Cut(g, "=")
		n, err := strconv.Atoi(number)
		if !found || err != nil || n < 1 {
			return nil, app.Fail(app.ExitUsage, fmt.Errorf("invalid --runners %q: expected CLASS=N, with N from 1", g))
		}
		if _, known := classes[class]; !known {
			return nil, app.Fail(app.ExitUsage, fmt.Errorf("--runners: there is no class %q; there are %s", class, strings.Join(slices.Sorted(maps.Keys(classes)), ", ")))
		}
		out[class] = n
	}
	return out, nil
}

// decided is the plan that is simulated.
func (o *simulating) decided(ctx context.Context, s *planning.Session) (*model.Plan, error) {
	if o.plan == "" {
		return s.Plan(ctx)
	}
	raw, err := os.ReadFile(o.plan)
	if err != nil {
		return nil, app.Unread("--plan", err)
	}
	p, err := plan.Decode(raw)
	if err != nil {
		return nil, app.Damaged("--plan "+o.plan, err)
	}
	return p, nil
}

// emittedBy is what the pipelines of a session run of a plan.
func emittedBy(s *planning.Session, p *model.Plan, times *simulate.Times) (*simulate.Emitted, error) {
	edges := pipeline.EdgesOf(s.Now.Graph)
	all, list, err := pipeline.Layout(s.Now.Fleet, edges, pipeline.Options{})
	if err := errors.Join(err, list.Err()); err != nil {
		return nil, err
	}
	some, _, err := pipeline.Layout(s.Now.Fleet, edges, pipeline.Selected(p))
	if err != nil {
		return nil, err
	}
	nodes := map[string]model.TargetID{}
	for node, name := range model.NodeNames(p.Nodes()) {
		nodes[name] = node
	}
	return &simulate.Emitted{All: all, Some: some, Times: times, Target: func(image string, on model.Platform) model.TargetID {
		id := nodes[image]
		id.Platform = on
		return id
	}}, nil
}

// guesses counts the targets whose time nobody knows.
func guesses(p *model.Plan, times *simulate.Times) int {
	n := 0
	for i := range p.Entries {
		e := &p.Entries[i]
		if _, named := times.Of(e.ID()); pipeline.Runs(e) && !named {
			n++
		}
	}
	return n
}

// printSimulated prints the table, and behind it what it does not say: where a
// program reads the table, beside it.
func printSimulated(a *app.App, results []*simulate.Result, guessed int) error {
	t := term.NewTable("FORGE", "LAYOUT", "JOBS", "STARTS", "MAKESPAN", "PATH", "RATIO", "TO GRAPH", "MACHINES", "REPEATED", "COST")
	var unfinished int
	unpriced := map[string]bool{}
	for _, r := range results {
		cost := fmt.Sprintf("%.2f", r.Cost)
		if len(r.Unpriced) > 0 {
			cost += "+?"
		}
		t.Row(r.Forge, r.Layout, strconv.Itoa(r.Jobs), strconv.Itoa(r.Starts), clock(r.Makespan), clock(r.CriticalPath), fmt.Sprintf("%.2f", r.Ratio()), beside(r), clock(r.Machines), clock(r.Repeated), cost)
		unfinished = max(unfinished, r.Unfinished)
		for _, class := range r.Unpriced {
			unpriced[class] = true
		}
	}
	if err := t.Write(a.Out, a.OutTTY); err != nil {
		return err
	}
	var notes []string
	if guessed > 0 {
		notes = append(notes, fmt.Sprintf("The time of %d targets is a guess: --times names a file of them.", guessed))
	}
	if len(unpriced) > 0 {
		notes = append(notes, "No price is known of "+strings.Join(slices.Sorted(maps.Keys(unpriced)), ", ")+".")
	}
	if unfinished > 0 {
		notes = append(notes, fmt.Sprintf("Up to %d jobs never ended: their machines were taken away too often.", unfinished))
	}
	for _, n := range notes {
		if !a.OutTTY {
			a.Log.Info(n)
			continue
		}
		if _, err := fmt.Fprintln(a.Out, n); err != nil {
			return err
		}
	}
	return nil
}

// beside is a makespan as a multiple of the graph's critical path.
func beside(r *simulate.Result) string {
	if r.BesideGraph == 0 {
		return "-"
	}
	return fmt.Sprintf("%.2f", r.BesideGraph)
}

// clock is a time as 1h02m or 3m20s.
func clock(seconds float64) string {
	whole := int(seconds + 0.5)
	switch {
	case whole >= 3600:
		return fmt.Sprintf("%dh%02dm", whole/3600, whole/60%60)
	case whole >= 60:
		return fmt.Sprintf("%dm%02ds", whole/60, whole%60)
	}
	return fmt.Sprintf("%ds", whole)
}
