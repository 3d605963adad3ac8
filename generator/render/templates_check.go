package render

import (
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/pipeline"
)

// readBackOwn holds what came out of a template of people's own against what
// was meant. It may say more, but nothing less and nothing else: keys, jobs,
// steps and items may be added, what decides over rights may not. The error
// names the place.
func readBackOwn(tmpl string, text []byte, want map[string]any) error {
	got, err := readDocument(text)
	if err != nil {
		return err
	}
	if err := holds("", got, want); err != nil {
		return err
	}
	if strings.HasPrefix(tmpl, pipeline.GitHub+"/") {
		return hardened("", got)
	}
	return nil
}

// exact are the keys to which nothing may be added: who may do what, and who
// hears which secret.
var exact = []string{"permissions", "secrets", "id_tokens"}

// holds tells whether one YAML value has all of another.
func holds(at string, got, want any) error {
	switch w := want.(type) {
	case map[string]any:
		g, is := got.(map[string]any)
		if !is {
			return fmt.Errorf("%s: got %T, want a mapping", at, got)
		}
		for _, k := range slices.Sorted(maps.Keys(w)) {
			check := holds
			if slices.Contains(exact, k) {
				check = same
			}
			if err := check(at+"."+k, g[k], w[k]); err != nil {
				return err
			}
		}
		for _, k := range exact {
			if _, added := g[k]; added && w[k] == nil && at != ".jobs" {
				return fmt.Errorf("%s.%s: was not meant to be there", at, k)
			}
		}
		return nil
	case []any:
		g, is := got.([]any)
		if !is {
			return fmt.Errorf("%s: got %T, want a list", at, got)
		}
		rest := g
		for i := range w {
			n := slices.IndexFunc(rest, func(item any) bool { return holds(at, item, w[i]) == nil })
			if n < 0 {
				return fmt.Errorf("%s[%d]: is missing, or not in its place", at, i)
			}
			rest = rest[n+1:]
		}
		return nil
	}
	return same(at, got, want)
}

var pinnedUses = regexp.MustCompile(`^(\./[^@]+|[A-Za-z0-9._-]+/[A-Za-z0-9._/-]+@[0-9a-f]{40}|docker://[^@]+@sha256:[0-9a-f]{64})$`)

// hardened refuses what no generated workflow does, wherever it was added: a
// run for forks with the rights of the repository, an expression in a script,
// an action that can change, all secrets, credentials that stay behind, a job
// without stated rights or without an end.
func hardened(at string, v any) error {
	switch v := v.(type) {
	case map[string]any:
		for _, k := range slices.Sorted(maps.Keys(v)) {
			if err := hardenedEntry(at+"."+k, k, v[k], v); err != nil {
				return err
			}
			if err := hardened(at+"."+k, v[k]); err != nil {
				return err
			}
		}
	case []any:
		for i := range v {
			if err := hardened(fmt.Sprintf("%s[%d]", at, i), v[i]); err != nil {
				return err
			}
		}
	}
	return nil
}

func hardenedEntry(at, key string, value any, in map[string]any) error {
	text, _ := value.(string)
	switch {
	case key == "pull_request_target":
		return fmt.Errorf("%s: would run a fork's code with the rights of the repository", at)
	case key == "run" && strings.Contains(text, "${{"):
		return fmt.Errorf("%s: an expression in a script: hand the value on by env", at)
	case key == "uses" && !pinnedUses.MatchString(text):
		return fmt.Errorf("%s: %q is not at a commit", at, text)
	case key == "secrets" && text == "inherit":
		return fmt.Errorf("%s: hands on all secrets", at)
	case key == "uses" && strings.HasPrefix(text, actionCheckout+"@"):
		if with, _ := in["with"].(map[string]any); with["persist-credentials"] != false {
			return fmt.Errorf("%s: leaves credentials behind: set persist-credentials: false", at)
		}
	case key == "jobs":
		jobs, _ := value.(map[string]any)
		for _, id := range slices.Sorted(maps.Keys(jobs)) {
			job, _ := jobs[id].(map[string]any)
			if job["permissions"] == nil || job["uses"] == nil && job["timeout-minutes"] == nil {
				return fmt.Errorf("%s.%s: needs permissions and timeout-minutes", at, id)
			}
		}
	}
	return nil
}
