package source_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/source"
)

// TestCorruptLocks breaks a lock in the ways that merges, editors and hands
// break one. Each is refused, with its place.
func TestCorruptLocks(t *testing.T) {
	t.Parallel()
	whole := string(source.FormatLock(sampleLock()))
	const index = "    digest: sha256:"
	hex := whole[strings.Index(whole, index)+len(index):][:64]
	replace := func(old, with string) string {
		if !strings.Contains(whole, old) {
			t.Fatalf("the sample has no %q", old)
		}
		return strings.Replace(whole, old, with, 1)
	}
	for name, text := range map[string]string{
		"a merge's marks":         replace("bases:\n", "<<<<<<< HEAD\nbases:\n=======\nbases:\n>>>>>>> topic\n"),
		"a short digest":          replace(hex, hex[:63]),
		"upper case":              replace(hex, strings.ToUpper(hex)),
		"another algorithm":       replace("sha256:", "sha512:"),
		"no digest":               replace(index+hex+"\n", ""),
		"a base twice":            replace("debian:\n", "  docker.io/library/busybox:1.36: {digest: \"sha256:"+hex+"\", platforms: {}}\ndebian:\n"),
		"a key twice":             replace(index+hex+"\n", index+hex+"\n"+index+hex+"\n"),
		"an unknown platform":     replace("linux/arm64:", "linux/s390x:"),
		"an unknown key":          replace("      config:", "      konfig:"),
		"a list for a map":        replace("debian:\n", "debian: []\nx:\n"),
		"a number for a version":  replace(`"5.2.37-2+b5"`, "5.2"),
		"another version":         replace("version: 1", "version: 2"),
		"no version":              replace("version: 1\n", ""),
		"two documents":           whole + "---\nversion: 1\n",
		"cut in the middle":       whole[:len(whole)*2/3],
		"cut in a digest":         whole[:strings.Index(whole, hex)+20] + "\n",
		"tabs":                    replace("    digest", "\tdigest"),
		"a NUL":                   replace("busybox", "busy\x00box"),
		"not UTF-8":               replace("busybox", "busy\xffbox"),
		"an alias without anchor": replace("sha256:"+hex, "*gone"),
		"an empty file":           "",
		"only a comment":          "# nothing\n",
		"a text":                  "locked\n",
	} {
		lock, list := source.ParseLock([]byte(text), "images.lock")
		if !list.HasErrors() {
			t.Errorf("%s: it was read as %+v", name, lock)
			continue
		}
		if p := list[0].Pos; p.File != "images.lock" || p.Line == 0 && strings.Contains(text, "version") {
			t.Errorf("%s: no place: %v", name, list)
		}
	}
}
