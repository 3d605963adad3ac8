package source

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

const lockHeader = `# yaml-language-server: $schema=` + schemaBase + `lock.json
# What the world outside this repository looked like when it was last looked at.
# Written by "rootfsgen lock"; "rootfsgen lock --update" moves it.
version: 1
`

// FormatLock writes images.lock: sorted, so that the same lock is always the
// same bytes. ParseLock reads it back.
func FormatLock(l model.Lock) []byte {
	w := &lockWriter{}
	w.WriteString(lockHeader)
	if len(l.Bases) > 0 {
		w.line(0, "bases:")
	}
	for _, ref := range sortedKeys(l.Bases) {
		w.base(ref, l.Bases[ref])
	}
	if len(l.Failed) > 0 {
		w.line(0, "failed:")
	}
	for _, ref := range sortedKeys(l.Failed) {
		f := l.Failed[ref]
		w.line(1, "%s:", scalar(ref))
		w.line(2, "digest: %s", scalar(f.Digest.String()))
		w.line(2, "failures: %d", f.Failures)
		w.line(2, "last: %s", quoted(f.Last))
		if len(f.Images) > 0 {
			w.line(2, "images:")
		}
		for _, image := range sortedKeys(f.Images) {
			w.line(3, "%s: %d", scalar(image), f.Images[image])
		}
	}
	if len(l.Debian) > 0 {
		w.line(0, "debian:")
	}
	for _, name := range sortedKeys(l.Debian) {
		w.suite(name, l.Debian[name])
	}
	return w.Bytes()
}

type lockWriter struct{ bytes.Buffer }

func (w *lockWriter) line(depth int, format string, args ...any) {
	w.WriteString(strings.Repeat("  ", depth))
	fmt.Fprintf(w, format, args...)
	w.WriteByte('\n')
}

func (w *lockWriter) base(ref string, b model.LockedBase) {
	w.line(1, "%s:", scalar(ref))
	w.line(2, "digest: %s", scalar(b.Digest.String()))
	if len(b.Platforms) == 0 {
		w.line(2, "platforms: {}")
		return
	}
	w.line(2, "platforms:")
	for _, p := range sortedKeys(b.Platforms) {
		v := b.Platforms[p]
		w.line(3, "%s:", scalar(p))
		w.line(4, "digest: %s", scalar(v.Digest.String()))
		w.config(v.Config)
	}
}

func (w *lockWriter) config(c model.BaseConfig) {
	if len(c.Env) == 0 && len(c.OnBuild) == 0 && c.WorkingDir == "" && c.User == "" {
		return
	}
	w.line(4, "config:")
	w.list("env", c.Env)
	if c.WorkingDir != "" {
		w.line(5, "working_dir: %s", scalar(c.WorkingDir))
	}
	if c.User != "" {
		w.line(5, "user: %s", quoted(c.User))
	}
	w.list("onbuild", c.OnBuild)
}

func (w *lockWriter) list(key string, items []string) {
	if len(items) == 0 {
		return
	}
	w.line(5, "%s:", key)
	for _, s := range items {
		w.line(6, "- %s", quoted(s))
	}
}

func (w *lockWriter) suite(name string, s model.LockedSuite) {
	w.line(1, "%s:", scalar(name))
	w.line(2, "inrelease: %s", scalar(s.InRelease.String()))
	if len(s.Images) == 0 {
		return
	}
	w.line(2, "images:")
	for _, target := range sortedKeys(s.Images) {
		packages := s.Images[target]
		if len(packages) == 0 {
			w.line(3, "%s: {}", scalar(target))
			continue
		}
		w.line(3, "%s:", scalar(target))
		for _, p := range sortedKeys(packages) {
			w.line(4, "%s: %s", scalar(p), quoted(packages[p]))
		}
	}
}

func sortedKeys[V any](m map[string]V) []string { return slices.Sorted(maps.Keys(m)) }

// plainScalar is text that no YAML version reads as anything else.
var plainScalar = regexp.MustCompile(`^[a-z/][a-z0-9+./-]*[a-z0-9+/](:[0-9a-z][a-z0-9.-]*)?( [a-z]+/[a-z0-9]+)?$`)

// scalar quotes s where it needs it.
func scalar(s string) string {
	switch s {
	case "null", "true", "false", "yes", "no", "on", "off":
		return quoted(s)
	}
	if plainScalar.MatchString(s) {
		return s
	}
	return quoted(s)
}

// quoted is s in double quotes, with JSON's escapes, which are YAML's too.
func quoted(s string) string {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(s); err != nil {
		return `""` // a string always encodes
	}
	return strings.TrimSuffix(b.String(), "\n")
}
