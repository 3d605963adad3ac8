package fuzz

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func FuzzPlatform(f *testing.F) {
	for _, s := range []string{"linux/amd64", "arm64", "linux/", "a/b/c", "\x00"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		p, err := model.ParsePlatform(s)
		if err != nil {
			return
		}
		again, err := model.ParsePlatform(p.String())
		if err != nil || again != p {
			t.Fatalf("%q printed as %q came back as %v, %v", s, p, again, err)
		}
	})
}

// FuzzTag holds both kinds of tags to what a registry takes: the version that
// people give, and the names of content.
func FuzzTag(f *testing.F) {
	key := model.DigestOf(nil)
	for _, s := range []string{"1.2.3", "-x", "a/b", "_", model.ContentTag(key, 0), model.ContentTag(key, 3), "k-", "k-" + key.Hex() + "-g0", "k-" + key.Hex() + "-g01", "latest"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		taken := model.CheckTag(s) == nil
		if taken && (s == "" || len(s) > model.MaxTag || s[0] == '-' || s[0] == '.' || strings.ContainsAny(s, " /:@$\n\"'`\\")) {
			t.Fatalf("%q passed", s)
		}
		if key, n, ok := model.ParseContentTag(s); ok && model.ContentTag(key, n) != s {
			t.Fatalf("%q is not canonical, yet it was read as %s generation %d", s, key, n)
		}
	})
}
