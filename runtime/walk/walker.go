package walk

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/step"
)

// mergesAtOnce bounds merges, which only talk to the registry and so do not
// count as builds do.
const mergesAtOnce = 4

// task is one step of one target or index.
type task struct {
	step  string
	order int          // in the plan
	entry *model.Entry // of a build or test
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
	light   int // merges that run
	targets []*state
	indexes []*state
}

func newWalker(p *model.Plan, s Steps, o Options) *walker {
	o.Parallel = max(o.Parallel, 1)
	if o.Progress == nil {
		o.Progress = func(Event) {}
	}
	w := &walker{plan: p, steps: s, o: o, called: Names(p)}
	builds, tests := map[model.TargetID]*task{}, map[model.TargetID]*task{}
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
		builds[e.ID()], tests[e.ID()] = build, test
	}
	for _, t := range w.tasks {
		if t.step == model.StepBuild {
			for _, parent := range parents(t.entry) {
				t.after(builds[parent])
			}
		}
	}
	for n := range p.Indexes {
		w.addMerge(&p.Indexes[n], tests)
	}
	return w
}

// addMerge adds an index. It waits for the tests of its platforms and for
// those of all that they are built from: what stands on an image that fails its
// tests is not published, however far it was when that came out.
func (w *walker) addMerge(i *model.Index, tests map[model.TargetID]*task) {
	st := &state{out: Outcome{Target: model.TargetID{Image: i.Image, Tag: i.Tag, Variant: i.Variant}, Action: None}, succeeded: true}
	w.indexes = append(w.indexes, st)
	merge := w.add(&task{step: model.StepMerge, index: i, state: st, idle: i.Action != model.StepRun && i.Action != model.StepUntested})
	needed := map[model.TargetID]bool{}
	var need func(model.TargetID)
	need = func(id model.TargetID) {
		test := tests[id]
		if test == nil || needed[id] {
			return
		}
		needed[id] = true
		merge.after(test)
		for _, parent := range parents(test.entry) {
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
		merge := t.step == model.StepMerge
		if merge && w.light == mergesAtOnce || !merge && w.heavy == w.o.Parallel {
			return false
		}
		if merge {
			w.light++
		} else {
			w.heavy++
		}
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

// call prepares a step. A test gets the entry with what the build made.
func (w *walker) call(t *task) func(context.Context) (model.Receipt, error) {
	if t.step == model.StepMerge {
		return func(ctx context.Context) (model.Receipt, error) { return w.steps.Merge(ctx, w.plan, t.index) }
	}
	run, e := w.steps.Build, t.state.entry
	if t.step == model.StepTest {
		run = w.steps.Test
	}
	return func(ctx context.Context) (model.Receipt, error) { return run(ctx, w.plan, &e) }
}

func (w *walker) end(ctx context.Context, e ended) {
	if e.task.step == model.StepMerge {
		w.light--
	} else {
		w.heavy--
	}
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
	default:
		st.fail(Failed, Why(e.err))
		st.out.Err = e.err
		w.release(e.task, w.name(e.task)+" failed")
	}
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
	if e.receipt.Digest != "" {
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
