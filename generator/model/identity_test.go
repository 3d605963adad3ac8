package model

import "testing"

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
