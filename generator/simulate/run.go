package simulate

import (
	"cmp"
	"container/heap"
	"fmt"
	"hash/fnv"
	"maps"
	"math/rand/v2"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// World is the machines that jobs run on. Each job has a machine of its own,
// which boots for it and goes with it.
type World struct {
	Classes    map[string]model.Runner
	Runners    map[string]int // machines of a class at once; a class that is not in it has as many as are wanted
	Preemption float64        // how often a Spot machine is taken away, per hour that it runs
	Attempts   int            // how often a lost job runs in all; the last time on the class's on_demand
	Seed       uint64         // the same seed takes the same machines away
}

// Result is what a simulation comes to. Times are in seconds.
type Result struct {
	Forge        string   `json:"forge"`
	Layout       string   `json:"layout"`
	Jobs         int      `json:"jobs"`          // that take a machine
	Starts       int      `json:"starts"`        // of machines
	Makespan     float64  `json:"makespan"`      // from the event to the end of the last job
	CriticalPath float64  `json:"critical_path"` // of the longest chain of jobs that wait for one another, when nothing is lost
	Machines     float64  `json:"machines"`      // of all machines together, with their boot
	Repeated     float64  `json:"repeated"`      // of these, what was lost with a machine or done again
	Lost         int      `json:"lost"`          // machines that were taken away
	Unfinished   int      `json:"unfinished"`    // jobs that never succeeded
	Cost         float64  `json:"cost"`          // in the currency of the prices
	Unpriced     []string `json:"unpriced"`      // classes that were used and have no price, sorted
	BesideGraph  float64  `json:"beside_graph"`  // the makespan as a multiple of the critical path of the layout "graph" on the same forge; 0 where that was not played, see Beside
}

// Beside holds every result against the graph of its forge, so that what waves
// cost is told beside it.
func Beside(results []*Result) {
	path := map[string]float64{}
	for _, r := range results {
		if r.Layout == model.LayoutGraph {
			path[r.Forge] = r.CriticalPath
		}
	}
	for _, r := range results {
		r.BesideGraph = 0
		if p := path[r.Forge]; p > 0 {
			r.BesideGraph = r.Makespan / p
		}
	}
}

// Ratio is the makespan as a multiple of the critical path.
func (r *Result) Ratio() float64 {
	if r.CriticalPath == 0 {
		return 1
	}
	return r.Makespan / r.CriticalPath
}

// state is where a job stands.
type state int

const (
	waiting state = iota
	queued
	running
	done
	lost    // waits for the next round
	blocked // something that it needs was lost
	failed  // lost as often as it may be
)

// settled tells whether nothing more happens to a job in this round.
func (s state) settled() bool { return s >= done }

// run is one simulation under way.
type run struct {
	*World
	g        *Graph
	now      float64
	state    []state
	pending  []int   // how many of those before a job are not settled
	children [][]int // that wait for a job
	attempts []int
	again    []bool           // the job's work is done, it only runs again
	queues   map[string][]int // by class, first come, first served
	busy     map[string]int
	ends     events
	r        *Result
	unpriced map[string]bool
}

// Run plays the graph through.
func (w *World) Run(g *Graph) *Result {
	n := len(g.Jobs)
	s := &run{
		World: w, g: g, state: make([]state, n), pending: make([]int, n), children: make([][]int, n), attempts: make([]int, n), again: make([]bool, n),
		queues: map[string][]int{}, busy: map[string]int{}, unpriced: map[string]bool{},
		r: &Result{Forge: g.Forge, Layout: g.Layout, CriticalPath: w.criticalPath(g), Unpriced: []string{}},
	}
	for i := range g.Jobs {
		if g.Jobs[i].Class != "" {
			s.r.Jobs++
		}
		for _, before := range g.Jobs[i].before() {
			s.children[before] = append(s.children[before], i)
		}
	}
	for s.begin(); ; {
		s.start()
		if len(s.ends) > 0 {
			s.end(heap.Pop(&s.ends).(event))
			continue
		}
		if !s.nextRound() {
			break
		}
	}
	s.r.Makespan = s.now
	for i := range s.state {
		if s.state[i] != done && g.Jobs[i].Class != "" {
			s.r.Unfinished++
		}
	}
	s.r.Unpriced = append(s.r.Unpriced, slices.Sorted(maps.Keys(s.unpriced))...)
	return s.r
}

// before are all that a job waits for, each once.
func (j *Job) before() []int {
	all := slices.Concat(j.After, j.Parents)
	slices.Sort(all)
	return slices.Compact(all)
}

// criticalPath is the longest chain of jobs with their boots.
func (w *World) criticalPath(g *Graph) float64 {
	ends := make([]float64, len(g.Jobs))
	longest := 0.0
	for i := range g.Jobs {
		j := &g.Jobs[i]
		for _, before := range j.before() {
			ends[i] = max(ends[i], ends[before])
		}
		if j.Class != "" {
			ends[i] += j.Seconds + float64(w.Classes[j.Class].BootSeconds)
		}
		longest = max(longest, ends[i])
	}
	return longest
}

// begin counts what each waiting job waits for, and queues those that wait for
// nothing.
func (s *run) begin() {
	for i := range s.g.Jobs {
		if s.state[i] != waiting {
			continue
		}
		s.pending[i] = 0
		for _, before := range s.g.Jobs[i].before() {
			if !s.state[before].settled() {
				s.pending[i]++
			}
		}
	}
	for i := range s.g.Jobs {
		if s.state[i] == waiting && s.pending[i] == 0 {
			s.ready(i)
		}
	}
}

// ready queues a job that need not wait any longer, or blocks it.
func (s *run) ready(i int) {
	j := &s.g.Jobs[i]
	switch {
	case slices.ContainsFunc(j.Parents, func(p int) bool { return s.state[p] != done }):
		s.settle(i, blocked)
	case j.Class == "":
		s.settle(i, done)
	default:
		s.state[i] = queued
		class := s.class(i)
		s.queues[class] = append(s.queues[class], i)
	}
}

// settle ends a job for this round, and lets go who waited for it.
func (s *run) settle(i int, as state) {
	s.state[i] = as
	for _, child := range s.children[i] {
		if s.pending[child]--; s.pending[child] == 0 && s.state[child] == waiting {
			s.ready(child)
		}
	}
}

// class is where a job's next attempt runs.
func (s *run) class(i int) string {
	class := s.g.Jobs[i].Class
	c := s.Classes[class]
	if _, known := s.Classes[c.OnDemand]; known && c.Spot && s.Attempts > 1 && s.attempts[i]+1 >= s.Attempts {
		return c.OnDemand
	}
	return class
}

// start gives machines to those that wait longest.
func (s *run) start() {
	for _, class := range slices.Sorted(maps.Keys(s.queues)) {
		queue := s.queues[class]
		room, bounded := s.Runners[class]
		for len(queue) > 0 && (!bounded || s.busy[class] < max(room, 1)) {
			s.take(queue[0], class)
			queue = queue[1:]
		}
		s.queues[class] = queue
	}
}

// take runs a job on a new machine, and sees when it ends.
func (s *run) take(i int, class string) {
	c := s.Classes[class]
	s.attempts[i]++
	s.busy[class]++
	s.state[i] = running
	s.r.Starts++
	seconds := s.g.Jobs[i].Seconds
	if s.again[i] {
		seconds = min(seconds, s.g.Again)
	}
	e := event{job: i, class: class, took: seconds + float64(c.BootSeconds)}
	if c.Spot && s.Preemption > 0 {
		if until := s.lifetime(i); until < e.took {
			e.took, e.lost = until, true
		}
	}
	e.at = s.now + e.took
	heap.Push(&s.ends, e)
	s.r.Machines += e.took
	s.r.Cost += e.took / secondsOfAnHour * c.Price
	if c.Price <= 0 {
		s.unpriced[class] = true
	}
	if e.lost || s.again[i] {
		s.r.Repeated += e.took
	}
}

const secondsOfAnHour = 3600

// lifetime is when the machine of a job's attempt is taken away: it depends on
// the seed, the job and the attempt, and not on what else runs.
func (s *run) lifetime(i int) float64 {
	h := fnv.New64a()
	fmt.Fprintf(h, "%s#%d", s.g.Jobs[i].Name, s.attempts[i])
	return rand.New(rand.NewPCG(s.Seed, h.Sum64())).ExpFloat64() * secondsOfAnHour / s.Preemption
}

// end is what becomes of a job when its machine is gone.
func (s *run) end(e event) {
	s.now = e.at
	s.busy[e.class]--
	switch {
	case !e.lost:
		s.settle(e.job, done)
	case s.attempts[e.job] >= max(s.Attempts, 1):
		s.r.Lost++
		s.settle(e.job, failed)
	case s.g.Rounds:
		s.r.Lost++
		s.settle(e.job, lost)
	default:
		s.r.Lost++
		s.state[e.job] = queued
		class := s.class(e.job)
		s.queues[class] = append(s.queues[class], e.job)
	}
}

// nextRound runs lost jobs again, and what depends on them; false where there
// is none.
func (s *run) nextRound() bool {
	anew := make([]bool, len(s.g.Jobs))
	some := false
	for i := range s.g.Jobs { // each is behind what it waits for
		anew[i] = s.state[i] == lost || slices.ContainsFunc(s.g.Jobs[i].before(), func(b int) bool { return anew[b] })
		some = some || anew[i]
	}
	if !some {
		return false
	}
	for i := range anew {
		if anew[i] && s.state[i] != failed {
			s.again[i] = s.again[i] || s.state[i] == done
			s.state[i] = waiting
		}
	}
	s.begin()
	return true
}

// event is the end of a job.
type event struct {
	at, took float64
	job      int
	class    string
	lost     bool
}

// events are a heap, the earliest first.
type events []event

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return cmp.Or(cmp.Compare(e[i].at, e[j].at), cmp.Compare(e[i].job, e[j].job)) < 0
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }

// Push implements heap.Interface.
func (e *events) Push(x any) { *e = append(*e, x.(event)) }

// Pop implements heap.Interface.
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}
