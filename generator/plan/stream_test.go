package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"math"
	"reflect"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// hostile is text that could be taken for the structure around it, or that
// JSON has to escape.
var hostile = rapid.Map(rapid.SliceOfN(rapid.SampledFrom([]string{
	"a", `"`, `\`, `\"`, "{", "}", "[]", ",", ": ", "<&>", "\n  \"entries\": null", "\u2028", "ü", "\x00", "\xff", "\t\x7f",
}), 0, 4), func(parts []string) string { return strings.Join(parts, "") })

// TestEncodeIsPlain compares what is written in parts, and indented here, with
// what the standard library writes at once.
func TestEncodeIsPlain(t *testing.T) {
	t.Parallel()
	plans := rapid.MakeCustom[model.Plan](rapid.MakeConfig{Kinds: map[reflect.Kind]*rapid.Generator[any]{reflect.String: hostile.AsAny()}})
	rapid.Check(t, func(t *rapid.T) {
		p := plans.Draw(t, "plan")
		p.Entries = repeated(t, append(p.Entries, model.Entry{}), 0, 1, 127, 128, 129, 300)
		p.Indexes = repeated(t, append(p.Indexes, model.Index{}), 0, 1, 130)
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(p); err != nil {
			t.Fatal(err)
		}
		if got, err := plan.Encode(&p); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%v, got\n%s\nwant\n%s", err, got, want.String())
		}
	})
}

// repeated are some of few in a list of one of the lengths, which may be nil.
func repeated[T any](t *rapid.T, few []T, lengths ...int) []T {
	n := rapid.SampledFrom(lengths).Draw(t, "length")
	if n == 0 && rapid.Bool().Draw(t, "nil") {
		return nil
	}
	all := make([]T, n)
	for i := range all {
		all[i] = few[i%len(few)]
	}
	return all
}

func TestEncodeRefuses(t *testing.T) {
	t.Parallel()
	p := &model.Plan{Indexes: []model.Index{{Meta: model.ImageMeta{SizeGB: math.NaN()}}}}
	if _, err := plan.Encode(p); err == nil || !strings.Contains(err.Error(), "writing the plan: json") {
		t.Errorf("error %v, want one about JSON", err)
	}
}

type full struct{ room int }

var errFull = errors.New("no room")

func (f *full) Write(b []byte) (int, error) {
	if f.room -= len(b); f.room < 0 {
		return 0, errFull
	}
	return len(b), nil
}

func TestEncodeWithoutRoom(t *testing.T) {
	t.Parallel()
	p := &model.Plan{Entries: make([]model.Entry, 2000), Indexes: make([]model.Index, 1)}
	for i := range p.Entries {
		p.Entries[i].Platform = model.LinuxAMD64
	}
	for _, room := range []int{0, 10, 5000, 100_000} {
		if err := plan.EncodeTo(&full{room}, p); !errors.Is(err, errFull) {
			t.Errorf("room for %d: %v", room, err)
		}
	}
}
