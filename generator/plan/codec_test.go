package plan_test

import (
	"errors"
	"regexp"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/plan"
)

func encoded(t testing.TB) []byte {
	t.Helper()
	b, err := plan.Encode(makePlan(t, snapshot("v1", fleet(nil)), snapshot("HEAD", fleet(nil)), nil, plan.Request{}))
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// hostileVariant gives the first index a variant that leads elsewhere.
func hostileVariant(good string) string {
	entries, indexes, _ := strings.Cut(good, `"indexes"`)
	return entries + `"indexes"` + strings.Replace(indexes, `"variant": ""`, `"variant": "../x"`, 1)
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	good := string(encoded(t))
	tests := map[string]struct{ plan, want string }{
		"nothing":              {"", "not whole"},
		"cut":                  {good[:len(good)/2], "not whole"},
		"no version":           {`{}`, "no version"},
		"an unknown key":       {strings.Replace(good, `"scope"`, `"sc\u006fpe2": 1, "scope"`, 1), "scope2"},
		"two plans":            {good + good, "not whole"},
		"an unknown action":    {strings.Replace(good, `"action": "none"`, `"action": "delete"`, 1), "unknown action"},
		"an unknown scope":     {strings.Replace(good, `"scope": "testing"`, `"scope": "root"`, 1), "unknown scope"},
		"a hostile name":       {strings.Replace(good, `"image": "base"`, `"image": "../base"`, 1), "invalid name"},
		"a hostile folder":     {strings.Replace(good, `"dir": "images/base"`, `"dir": "/etc"`, 1), "invalid path"},
		"a hostile place":      {strings.Replace(good, `"repository": "team/base"`, `"repository": "x:y"`, 1), "invalid repository"},
		"no steps":             {strings.Replace(good, `"build": "done"`, `"build": "perhaps"`, 1), "neither run nor done"},
		"a parent elsewhere":   {strings.Replace(good, `"parents": [`, `"parents": [{"image":"x","tag":"1","variant":"","key":"","generation":0,"repository":"x"},`, 1), ""},
		"an unknown platform":  {strings.Replace(good, `"platform": "linux/amd64"`, `"platform": "plan9/mips"`, 1), "plan9"},
		"a hostile prefix":     {strings.Replace(good, `"prefix": "registry`, `"prefix": "https://registry`, 1), "invalid registry"},
		"a generation far off": {strings.Replace(good, `"generation": 0`, `"generation": 9223372036854775807`, 1), "out of bounds"},
		"a time that is none":  {strings.Replace(good, `"recipe": {`, `"recipe": {"timeout_seconds": -5, `, 1), "time limit"},
		"a platform twice":     {strings.Replace(good, `"platforms": [`, `"platforms": ["linux/amd64", "linux/amd64",`, 1), "twice"},
		"an index of nothing":  {regexp.MustCompile(`"platforms": \[[^]]*\]`).ReplaceAllString(good, `"platforms": []`), "no platforms"},
		"a version of another": {strings.Replace(good, `"version": "1-`, `"version": "k-`, 1), "its version"},
		"a hostile variant":    {hostileVariant(good), "invalid tag"},
		"no such registry":     {strings.Replace(good, `"registry": "unknown"`, `"registry": "maybe"`, 1), "neither known nor unknown"},
	}
	for name, tt := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			_, err := plan.Decode([]byte(tt.plan))
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("error %v, want %q", err, tt.want)
			}
		})
	}
	_, err := plan.Decode([]byte(`{"version": 9, "news": true}`))
	if v, found := errors.AsType[*plan.VersionError](err); !found || v.Version != 9 {
		t.Errorf("error %v, want a VersionError", err)
	}
}
