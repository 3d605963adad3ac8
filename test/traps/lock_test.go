package traps

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// lockOf is an images.lock in which each base has the digest of a word, for
// both platforms.
func lockOf(bases map[string]string) string {
	l := model.Lock{Bases: map[string]model.LockedBase{}}
	for ref, word := range bases {
		variant := func(platform string) model.LockedVariant {
			return model.LockedVariant{Digest: model.DigestOf([]byte(word + platform))}
		}
		l.Bases[ref] = model.LockedBase{Digest: model.DigestOf([]byte(word)), Platforms: map[string]model.LockedVariant{
			"linux/amd64": variant("amd64"), "linux/arm64": variant("arm64"),
		}}
	}
	return string(source.FormatLock(l))
}
