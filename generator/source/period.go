package source

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/goccy/go-yaml/ast"
)

const day = 24 * time.Hour

// period is a time such as 14d, 72h or 1d12h, in whole minutes; the value's
// number is the seconds.
type period struct{ max time.Duration }

var periodPattern = regexp.MustCompile(`^([0-9]{1,4}d)?([0-9]{1,5}h)?([0-9]{1,6}m)?$`)

func (p period) read(f *file, what string, n ast.Node) (value, bool) {
	v := value{pos: f.pos(n)}
	s, ok := n.(*ast.StringNode)
	if !ok {
		hint := ""
		if _, whole := n.(*ast.IntegerNode); whole {
			hint = fmt.Sprintf("add the unit: %sd", n.GetToken().Value)
		}
		f.errorf(RuleWrongType, v.pos, hint, "%s must be %s, not %s", what, p.words(), kindOf(n))
		return v, false
	}
	length, ok := parsePeriod(s.Value)
	if !ok || length < time.Minute || length > p.max {
		f.errorf(RuleBadValue, v.pos, "", "%s: %q is not a time between 1m and %s, such as 14d, 72h or 1d12h", what, s.Value, days(p.max))
		return v, false
	}
	v.number, v.text = length.Seconds(), s.Value
	return v, true
}

func parsePeriod(s string) (time.Duration, bool) {
	if !periodPattern.MatchString(s) || s == "" {
		return 0, false
	}
	var length time.Duration
	if d, rest, found := strings.Cut(s, "d"); found {
		n, err := strconv.Atoi(d)
		if err != nil {
			return 0, false
		}
		length, s = time.Duration(n)*day, rest
	}
	if s == "" {
		return length, true
	}
	rest, err := time.ParseDuration(s)
	return length + rest, err == nil
}

// days writes a period that is whole days, or hours.
func days(d time.Duration) string {
	if d%day == 0 {
		return fmt.Sprintf("%dd", d/day)
	}
	return short(d)
}

func (period) schema() map[string]any {
	return map[string]any{"type": "string", "pattern": periodPattern.String(), "minLength": 2}
}
func (period) words() string { return "a time such as 14d or 72h" }
