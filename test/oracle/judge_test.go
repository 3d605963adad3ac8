package oracle

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/key"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// verdict is what came of one sample.
type verdict struct {
	refused  []string // rules of the errors that keep it from being planned at all
	faults   []fault
	targets  int // that were compared
	changed  []model.TargetID
	over     []model.TargetID // changed keys, the same bytes
	failures int              // builds that failed in both ways
	deaths   int              // builds that killed the daemon
	builds   int
	said     []string // what was refused, for people
}

// fault is one broken promise.
type fault struct {
	kind   string // one of the fault constants
	target model.TargetID
	detail string
}

func (f fault) String() string { return f.kind + ": " + f.target.String() + "\n" + f.detail }

// What can be wrong.
const (
	faultMissed     = "the bytes changed, but not the key"
	faultUnstable   = "the key is the same, but not the digest"
	faultRecipe     = "the key is the same, but not what is built"
	faultOnlyOurs   = "our build fails where a plain one succeeds"
	faultOnlyPlain  = "our build succeeds where a plain one fails"
	faultOtherBytes = "our build and a plain one make different bytes"
)

// outcome is what came of one target of one side.
type outcome struct {
	request             *request
	ours, plain         model.Digest
	oursErr, plainErr   error
	oursInput, plainKey string
}

// how is the way in which a sample is judged.
type how struct {
	again bool // make builds of ours that have been made already once more, to see the same bytes come out
	alone bool // nothing else uses the engines: the daemon can be started again
}

// trial is one judgement. Builds of the very same input are made once.
type trial struct {
	*world
	how
	v     verdict
	ours  map[string]*outcome
	plain map[string]*outcome
}

// try judges one sample. The error is trouble with the engines.
func (w *world) try(ctx context.Context, s *sample, h how) (*verdict, error) {
	var sides [2]*side
	for i, f := range []files{s.then, s.now} {
		var err error
		if sides[i], err = w.load(ctx, f); err != nil {
			return nil, err
		}
	}
	return w.trySides(ctx, sides, h)
}

func (w *world) trySides(ctx context.Context, sides [2]*side, h how) (*verdict, error) {
	t := &trial{world: w, how: h, ours: map[string]*outcome{}, plain: map[string]*outcome{}}
	for _, s := range sides {
		for _, d := range s.list {
			t.v.refused = append(t.v.refused, d.Rule)
			t.v.said = append(t.v.said, fmt.Sprintf("%s: %s", d.Pos, d.Message))
		}
	}
	if len(t.v.refused) > 0 {
		return &t.v, nil
	}
	then, err := t.buildAll(ctx, sides[0])
	if err != nil {
		return nil, err
	}
	if t.again {
		clear(t.ours)
	}
	now, err := t.buildAll(ctx, sides[1])
	if err != nil {
		return nil, err
	}
	for _, id := range sides[1].graph.Targets() {
		if a, b := then[id], now[id]; a != nil && b != nil {
			t.compare(id, sides, a, b)
		}
	}
	return &t.v, nil
}

// buildAll builds every target of a side, in both ways, and compares the two.
func (t *trial) buildAll(ctx context.Context, s *side) (map[model.TargetID]*outcome, error) {
	all := map[model.TargetID]*outcome{}
	built := map[model.TargetID]model.Digest{}
	for _, id := range s.graph.Targets() {
		r, ready := s.request(id, built, t.world)
		if !ready {
			continue
		}
		o, err := t.both(ctx, r)
		if err != nil {
			return nil, err
		}
		all[id] = o
		if o.oursErr == nil {
			built[id] = o.ours
		}
	}
	return all, nil
}

func (t *trial) both(ctx context.Context, r *request) (*outcome, error) {
	o := &outcome{request: r, oursInput: r.fingerprint()}
	if known := t.ours[o.oursInput]; known != nil {
		o.ours, o.oursErr = known.ours, known.oursErr
	} else {
		o.ours, o.oursErr = t.survive(ctx, func() (model.Digest, error) { return t.build(ctx, r) })
		t.ours[o.oursInput] = o
		t.v.builds++
	}
	p, err := r.plain(ctx)
	if err != nil {
		return nil, err
	}
	o.plainKey = p.fingerprint()
	if known := t.plain[o.plainKey]; known != nil {
		o.plain, o.plainErr = known.plain, known.plainErr
	} else {
		o.plain, o.plainErr = t.survive(ctx, func() (model.Digest, error) { return t.judge(ctx, p) })
		t.plain[o.plainKey] = o
		t.v.builds++
	}
	for _, err := range []error{o.oursErr, o.plainErr} {
		if trouble(err) {
			return nil, fmt.Errorf("building %s: %w", r.id, err)
		}
	}
	switch {
	case o.oursErr != nil && o.plainErr != nil:
		t.v.failures++
		t.v.said = append(t.v.said, fmt.Sprintf("%s: %v", r.id, o.plainErr))
	case o.oursErr != nil:
		t.fault(faultOnlyOurs, r.id, o.oursErr.Error())
	case o.plainErr != nil:
		t.fault(faultOnlyPlain, r.id, o.plainErr.Error())
	case o.ours != o.plain:
		t.fault(faultOtherBytes, r.id, fmt.Sprintf("ours %s, plain %s", o.ours, o.plain))
	}
	return o, nil
}

var errKilled = errors.New("BuildKit's daemon died of it")

// survive makes a build. One that kills the daemon has failed, if nothing else
// can have done it; the daemon is there again afterwards.
func (t *trial) survive(ctx context.Context, build func() (model.Digest, error)) (model.Digest, error) {
	d, err := build()
	if !t.alone || !daemonDied(err) || !t.gone(ctx) {
		return d, err
	}
	t.v.deaths++
	if again := t.revive(ctx); again != nil {
		return "", errors.Join(again, err)
	}
	return "", errKilled // err itself would be trouble
}

func (t *trial) fault(kind string, id model.TargetID, detail string) {
	t.v.faults = append(t.v.faults, fault{kind: kind, target: id, detail: detail})
}

// compare holds the keys of one target against its digests.
func (t *trial) compare(id model.TargetID, sides [2]*side, then, now *outcome) {
	t.v.targets++
	a, b := sides[0].keys[id], sides[1].keys[id]
	plain := then.plainErr == nil && now.plainErr == nil
	if a.Digest != b.Digest {
		t.v.changed = append(t.v.changed, id)
		if plain && then.plain == now.plain {
			t.v.over = append(t.v.over, id)
			t.v.said = append(t.v.said, id.String()+" is built for nothing")
		}
		return
	}
	if (then.plainErr == nil) != (now.plainErr == nil) {
		t.fault(faultMissed, id, fmt.Sprintf("a plain build says: then %v, now %v", then.plainErr, now.plainErr))
	}
	if diff := recipeDiff(sides[0].recipe(id), sides[1].recipe(id), b.Form()); diff != "" {
		t.fault(faultRecipe, id, diff)
	}
	if plain && then.plain != now.plain {
		t.fault(faultMissed, id, fmt.Sprintf("then %s, now %s, and the key is made of\n%s", then.plain, now.plain, b.Form()))
	}
	if then.oursErr == nil && now.oursErr == nil && then.ours != now.ours {
		t.fault(faultUnstable, id, fmt.Sprintf("then %s, now %s, and the key is made of\n%s", then.ours, now.ours, b.Form()))
	}
}

// recipeDiff tells in what two recipes of one key differ, as far as that can
// matter: where the Dockerfile lies, its comments and what moved by them can
// not, nor can how long a build may take.
func recipeDiff(a, b model.Recipe, form key.Form) string {
	var out []string
	say := func(what string, x, y any) {
		if p, q := fmt.Sprintf("%+v", x), fmt.Sprintf("%+v", y); p != q {
			out = append(out, fmt.Sprintf("%s: %s, now %s", what, p, q))
		}
	}
	say("files", a.Files, b.Files)
	say("stage", a.Stage, b.Stage)
	say("arguments", keyed(a, form), keyed(b, form))
	say("syntax", a.Syntax, b.Syntax)
	say("contexts", contextNames(a), contextNames(b))
	return strings.Join(out, "\n")
}

// keyed are the arguments of a recipe that its key knows: the builder gets
// others for stages that are not built.
func keyed(r model.Recipe, form key.Form) map[string]string {
	out := map[string]string{}
	for _, l := range form {
		if l.Kind == key.LineArgument {
			out[l.Name] = r.Args[l.Name]
		}
	}
	return out
}

func contextNames(r model.Recipe) []string {
	var out []string
	for _, c := range r.Contexts {
		out = append(out, fmt.Sprintf("%+v", c))
	}
	slices.Sort(out)
	return out
}
