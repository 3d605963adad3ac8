package walk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// lightAtOnce bounds what reads and writes the registry, and so does not count
// as builds and tests do.
const lightAtOnce = 4

// task is one step of one target or index.
type task struct {
	step  string
	order int          // in the plan
	entry *model.Entry // of a target's step
	index *model.Index // of a merge
	needs int          // tasks that must end first
	then  []*task      // that wait for this one
	stop  string       // why it must not begin; set by what failed
	idle  bool         // the plan says that it is done
	over  bool         // it ended, well or not, or was given up
	state *state
}

// state is what becomes of one target or index.
type state struct {
	out       Outcome
	entry     model.Entry // with what the build made
	succeeded bool        // so far
}

// ended is the end of a task that ran.
type ended struct {
	task    *task
	receipt model.Receipt
	took    time.Duration
	err     error
}

type walker struct {
	plan    *model.Plan
	steps   Steps
	o       Options
	called  func(model.TargetID) string
	tasks   []*task
	ready   []*task
	heavy   int // builds and tests that run
	light   int // anything else that runs
	targets []*state
	indexes []*state
}

func newWalker(p *model.Plan, s Steps, o Options) *walker {
	o.Parallel = max(o.Parallel, 1)
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	w := &walker{plan: p, steps: s, o: o, called: Names(p)}
	builds, last := map[model.TargetID]*task{}, map[model.TargetID]*task{}
	merges := merging(p)
	for n := range p.Entries {
		e := &p.Entries[n]
		if e.Action == model.ActionRetire {
			continue
		}
		st := &state{out: Outcome{Target: e.ID(), Action: None, Digest: e.Digest}, entry: *e, succeeded: true}
		w.targets = append(w.targets, st)
		build := w.add(&task{step: model.StepBuild, entry: e, state: st, idle: e.Steps[model.StepBuild] != model.StepRun})
		test := w.add(&task{step: model.StepTest, entry: e, state: st, idle: e.Steps[model.StepTest] != model.StepRun && e.Steps[model.StepTest] != model.StepUntested})
		test.after(build)
		builds[e.ID()], last[e.ID()] = build, w.addJudging(test, merges[e.ID()])
	}
	for _, t := range w.tasks {
		if t.step == model.StepBuild {
			for _, parent := range parents(t.entry) {
				t.after(builds[parent])
			}
		}
	}
	for n := range p.Indexes {
		w.addMerge(&p.Indexes[n], last)
	}
	return w
}

// merging are the targets whose index is still to be made.
func merging(p *model.Plan) map[model.TargetID]bool {
	out := map[model.TargetID]bool{}
	for n := range p.Indexes {
		i := &p.Indexes[n]
		for _, platform := range i.Platforms {
			id := i.ID()
			id.Platform = platform
			out[id] = toMerge(i)
		}
	}
	return out
}

func toMerge(i *model.Index) bool {
	return i.Action == model.StepRun || i.Action == model.StepUntested
}

// addJudging adds what comes after a target's test, and is the last of it.
// Nothing is judged that is not to be merged.
func (w *walker) addJudging(test *task, wanted bool) *task {
	last := test
	for _, name := range w.steps.judging() {
		next := w.add(&task{step: name, entry: test.entry, state: test.state, idle: !wanted})
		next.after(last)
		last = next
	}
	return last
}

// addMerge adds an index. It waits for the last step of its platforms and for
// those of all that they are built from: what stands on an image that fails its
// tests, or that the policy refuses, is not published, however far it was when
// that came out.
func (w *walker) addMerge(i *model.Index, last map[model.TargetID]*task) {
	st := &state{out: Outcome{Target: model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}, Action: None}, succeeded: true}
	w.indexes = append(w.indexes, st)
	merge := w.add(&task{step: model.StepMerge, index: i, state: st, idle: !toMerge(i)})
	needed := map[model.TargetID]bool{}
	var need func(model.TargetID)
	need = func(id model.TargetID) {
		end := last[id]
		if end == nil || needed[id] {
			return
		}
		needed[id] = true
		merge.after(end)
		for _, parent := range parents(end.entry) {
			need(parent)
		}
	}
	for _, platform := range i.Platforms {
		id := st.out.Target
		id.Platform = platform
		need(id)
	}
}

// parents are the targets that an entry is built from.
func parents(e *model.Entry) []model.TargetID {
	var out []model.TargetID
	for _, p := range e.Parents {
		id := model.TargetID{Image: p.Image, Tag: p.Tag, Variant: p.Variant, Platform: p.Platform}
		if id.Platform == (model.Platform{}) {
			id.Platform = e.Platform
		}
		if !slices.Contains(out, id) {
			out = append(out, id)
		}
	}
	return out
}

func (w *walker) add(t *task) *task {
	t.order = len(w.tasks)
	w.tasks = append(w.tasks, t)
	return t
}

// after makes t wait for another task, which may be missing from the plan.
func (t *task) after(other *task) {
	if other != nil {
		t.needs++
		other.then = append(other.then, t)
	}
}

// run is the only place that changes the walker; steps run in goroutines of
// their own and report here. It returns when none of them is left.
func (w *walker) run(ctx context.Context) {
	ends := make(chan ended)
	first := slices.DeleteFunc(slices.Clone(w.tasks), func(t *task) bool { return t.needs > 0 })
	for _, t := range first {
		w.offer(t)
	}
	for {
		w.begin(ctx, ends)
		if w.heavy+w.light == 0 {
			break
		}
		w.end(ctx, <-ends)
	}
	for _, t := range w.tasks { // what is left was not begun, or cut off
		if !t.over && !t.idle {
			t.state.fail(Stopped, "")
		}
	}
}

// offer makes a task ready, or ends it at once where there is nothing to run.
func (w *walker) offer(t *task) {
	switch {
	case t.stop != "":
		t.state.fail(Skipped, t.stop)
		w.release(t, t.stop)
	case t.idle:
		w.release(t, "")
	default:
		at, _ := slices.BinarySearchFunc(w.ready, t, func(a, b *task) int { return a.order - b.order })
		w.ready = slices.Insert(w.ready, at, t)
	}
}

// release lets go what waits for t, which failed when why is not empty.
func (w *walker) release(t *task, why string) {
	t.over = true
	for _, next := range t.then {
		next.needs--
		if why != "" && next.stop == "" {
			next.stop = why
		}
		if next.needs == 0 {
			w.offer(next)
		}
	}
}

// begin starts what may start now, in the order of the plan.
func (w *walker) begin(ctx context.Context, ends chan<- ended) {
	if ctx.Err() != nil {
		return
	}
	w.ready = slices.DeleteFunc(w.ready, func(t *task) bool {
		if *w.running(t) == w.most(t) {
			return false
		}
		*w.running(t)++
		w.o.Progress(Event{Name: w.name(t), Step: t.step})
		run := w.call(t)
		go func() {
			start := time.Now()
			r, err := run(ctx)
			ends <- ended{task: t, receipt: r, err: err, took: time.Since(start)}
		}()
		return true
	})
}

// running counts the tasks of a task's weight, most is how many there may be.
func (w *walker) running(t *task) *int {
	if t.heavy() {
		return &w.heavy
	}
	return &w.light
}

func (w *walker) most(t *task) int {
	if t.heavy() {
		return w.o.Parallel
	}
	return lightAtOnce
}

func (t *task) heavy() bool { return t.step == model.StepBuild || t.step == model.StepTest }

// call prepares a step. What follows the build gets the entry with what that
// made.
func (w *walker) call(t *task) func(context.Context) (model.Receipt, error) {
	if t.step == model.StepMerge {
		return func(ctx context.Context) (model.Receipt, error) { return w.steps.Merge(ctx, w.plan, t.index) }
	}
	run, e := w.steps.of(t.step), t.state.entry
	return func(ctx context.Context) (model.Receipt, error) { return run(ctx, w.plan, &e) }
}

func (w *walker) end(ctx context.Context, e ended) {
	*w.running(e.task)--
	_, skipped := step.Skipped(e.err)
	why, untested := step.IsUntested(e.err)
	st := e.task.state
	st.out.Took += e.took
	w.o.Progress(Event{Name: w.name(e.task), Step: e.task.step, End: true, Took: e.took, Err: e.err})
	switch {
	case e.err == nil || skipped:
		st.pass(e, skipped)
		w.release(e.task, "")
	case ctx.Err() != nil:
		st.fail(Stopped, "")
	case untested:
		st.out.Digest = cmp.Or(e.receipt.Digest, st.out.Digest)
		st.fail(Untested, why.Error())
		w.release(e.task, w.name(e.task)+" is untested")
	case refused(e.task, e.err):
		st.fail(Refused, plainly(Why(e.err)))
		st.out.Err = e.err
		w.release(e.task, w.name(e.task)+" was refused")
	default:
		st.fail(Failed, Why(e.err))
		st.out.Err = e.err
		w.release(e.task, w.name(e.task)+" failed")
	}
}

// exitRefused is the exit code of a gate that something does not pass.
const exitRefused = 5

// refused tells whether a task is a gate that said no, and not one that could
// not say anything.
func refused(t *task, err error) bool {
	var coded interface{ ExitCode() int }
	return t.step == model.StepGate && errors.As(err, &coded) && coded.ExitCode() == exitRefused
}

// plainly is what a gate refuses without the line that says that it does.
func plainly(why string) string {
	if _, rest, more := strings.Cut(why, "\n"); more {
		return strings.TrimSpace(rest)
	}
	return why
}

// Why is an error without the step and target that it happened in: whoever
// reads it knows these.
func Why(err error) string {
	if f, ok := errors.AsType[*step.Failed](err); ok {
		err = f.Err
	}
	return err.Error()
}

// pass notes what a step has done.
func (s *state) pass(e ended, skipped bool) {
	made := e.task.step == model.StepBuild || e.task.step == model.StepTest || e.task.step == model.StepMerge
	if made && e.receipt.Digest != "" {
		s.out.Digest, s.entry.Digest, s.entry.Generation = e.receipt.Digest, e.receipt.Digest, e.receipt.Generation
	}
	switch e.task.step {
	case model.StepBuild:
		s.out.Action = Built
		if skipped {
			s.out.Action = Reused
		}
	case model.StepTest:
		if !skipped && s.out.Action == None {
			s.out.Action = Tested
		}
	case model.StepGate:
		if !skipped && s.out.Action == None {
			s.out.Action = Judged
		}
	case model.StepMerge:
		s.out.Version = e.receipt.VersionTag
		if !skipped {
			s.out.Action = Merged
		}
	}
}

// fail notes the first thing that went wrong.
func (s *state) fail(action, why string) {
	if s.succeeded {
		s.out.Action, s.out.Why, s.succeeded = action, why, false
	}
}

func (w *walker) name(t *task) string { return w.called(t.state.out.Target) }

// Names is how progress names the targets of a plan: the image, with its tag
// where it has several, and the platform where there is one.
func Names(p *model.Plan) func(model.TargetID) string {
	called := p.Called()
	return func(id model.TargetID) string {
		if id.Platform == (model.Platform{}) {
			return called(id)
		}
		return called(id) + " " + id.Platform.String()
	}
}

func (w *walker) result() Result {
	var r Result
	for _, s := range w.targets {
		r.Targets = append(r.Targets, s.out)
	}
	for _, s := range w.indexes {
		r.Indexes = append(r.Indexes, s.out)
	}
	return r
}
