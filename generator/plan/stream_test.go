package plan_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"testing"

	"pgregory.net/rapid"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestEncodeIsPlain compares what is written in parts with what the standard
// library writes at once.
func TestEncodeIsPlain(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.SampledFrom([]string{"", "a", "<&>", "\n  \"entries\": [],\n  \"indexes\": []", "\u2028ü\x00"})
		p := &model.Plan{Version: 1, Scope: text.Draw(t, "scope"), Notes: rapid.SliceOfN(text, 0, 2).Draw(t, "notes")}
		for range rapid.SampledFrom([]int{0, 1, 2, 127, 128, 129, 300}).Draw(t, "entries") {
			p.Entries = append(p.Entries, model.Entry{
				Image: "i", Dir: text.Draw(t, "dir"), Steps: map[string]string{"build": "run", "a": "b"}, Platform: model.LinuxARM64, Parents: []model.Parent{},
				Recipe: &model.Recipe{Args: map[string]string{"A": text.Draw(t, "arg")}, Files: []model.TreeEntry{{Path: "x", Mode: 5}}},
			})
		}
		for range rapid.SampledFrom([]int{0, 1, 2, 130}).Draw(t, "indexes") {
			p.Indexes = append(p.Indexes, model.Index{Image: text.Draw(t, "image")})
		}
		if p.Entries == nil && rapid.Bool().Draw(t, "empty") {
			p.Entries, p.Indexes = []model.Entry{}, []model.Index{}
		}
		var want bytes.Buffer
		e := json.NewEncoder(&want)
		e.SetEscapeHTML(false)
		e.SetIndent("", "  ")
		if err := e.Encode(p); err != nil {
			t.Fatal(err)
		}
		if got, err := plan.Encode(p); err != nil || !bytes.Equal(got, want.Bytes()) {
			t.Fatalf("%v, got\n%s\nwant\n%s", err, got, want.String())
		}
	})
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
