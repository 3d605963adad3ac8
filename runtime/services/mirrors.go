package services

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Mirrors are, by a registry's host, the host[/path] that is asked before it.
type Mirrors map[string]string

// MirrorsVariable holds mirrors as a pipeline hands them on: HOST=MIRROR,
// separated by blanks.
const MirrorsVariable = "ROOTFSGEN_MIRRORS"

// ParseMirrors reads the value of MirrorsVariable.
func ParseMirrors(text string) (Mirrors, error) {
	m := Mirrors{}
	for entry := range strings.FieldsSeq(text) {
		host, mirror, _ := strings.Cut(entry, "=")
		if model.CheckHost(host) != nil || model.CheckPrefix(mirror) != nil {
			return nil, fmt.Errorf("%s: %q is not HOST=MIRROR", MirrorsVariable, entry)
		}
		m[host] = mirror
	}
	return m, nil
}

// config is the part of buildkitd.toml that names them.
func (m Mirrors) config() string {
	var b strings.Builder
	for _, host := range slices.Sorted(maps.Keys(m)) {
		fmt.Fprintf(&b, "\n[registry.%q]\n  mirrors = [%q]\n", host, m[host])
	}
	return b.String()
}
