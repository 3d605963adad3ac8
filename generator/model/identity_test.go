package model

import (
	"encoding/json"
	"testing"
)

func TestIndexIdentity(t *testing.T) {
	t.Parallel()
	a := IndexPart{Platform: LinuxAMD64, Key: DigestOf([]byte("a"))}
	b := IndexPart{Platform: LinuxARM64, Key: DigestOf([]byte("b"))}
	got := IndexIdentity("x:1", []IndexPart{a, b})
	if got != IndexIdentity("x:1", []IndexPart{b, a}) {
		t.Error("the order counts")
	}
	moved := b
	moved.Generation = 1
	swapped := a
	swapped.Key = b.Key
	for name, parts := range map[string][]IndexPart{"one": {a}, "generation": {a, moved}, "key": {swapped, b}, "none": nil} {
		if IndexIdentity("x:1", parts) == got {
			t.Errorf("%s: the same identity", name)
		}
	}
	if IndexIdentity("x:2", []IndexPart{a, b}) == got {
		t.Error("another tag with the same bytes has the same identity")
	}
}

// TestIdentityText compares the text behind an identity with JSON's encoder.
func TestIdentityText(t *testing.T) {
	t.Parallel()
	for _, node := range []string{"x:1", "x:1:gpu", "", "a<b", `a"b`, "\u00e9", "a&b", "a\x7f"} {
		for _, parts := range [][]IndexPart{nil, {{Platform: LinuxAMD64, Key: DigestOf(nil)}}, {{Platform: LinuxAMD64}, {Platform: LinuxARM64, Key: "k", Generation: -12}}} {
			want, err := json.Marshal(map[string]any{"format": "rootfsgen-index/1", "node": node, "parts": parts})
			if err != nil {
				t.Fatal(err)
			}
			if got, plain := plainIdentity(node, parts); plain && string(got) != string(want) {
				t.Errorf("%s, want %s", got, want)
			}
			if IndexIdentity(node, parts) != DigestOf(want) {
				t.Errorf("%q, %v: not the identity of %s", node, parts, want)
			}
		}
	}
}
