package model

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
)

// What an event may lead to.
const (
	TriggerBuild   = "build"   // what the plan names is built
	TriggerPlan    = "plan"    // it is planned, and nothing is built
	TriggerPromote = "promote" // a release is built and promoted
	TriggerOff     = "off"     // it starts no pipeline
)

// DefaultMaxForkTargets is how much of a fork's request is built unless it is
// said otherwise.
const DefaultMaxForkTargets = 20

// Triggers says what each event leads to. The zero value starts nothing; see
// DefaultTriggers.
type Triggers struct {
	Push     string // to the default branch: TriggerBuild, TriggerPlan or TriggerOff
	Request  string // a pull or merge request of the same repository: the same
	Queue    string // a merge queue or a merge train: the same
	Tag      string // a tag that releases: TriggerPromote or TriggerOff
	Manual   bool   // a person may start a pipeline
	Schedule Schedule
}

// Schedule says when pipelines start by themselves: cron expressions in UTC,
// or TriggerOff.
type Schedule struct {
	Lock  string // when the lock is looked up anew, and offered as a request
	Bases string // when what stands on no other image is built anew
	// Rescan is when what prod runs is judged by today's findings.
	Rescan string
}

// Fork says what becomes of a request from a fork.
type Fork struct {
	MaxTargets int // with more targets to build, it is only planned
}

// DefaultTriggers are those of a fleet that says nothing about them.
func DefaultTriggers() Triggers {
	return Triggers{
		Push: TriggerBuild, Request: TriggerBuild, Queue: TriggerBuild, Tag: TriggerPromote, Manual: true,
		Schedule: Schedule{Lock: "17 5 * * 1-5", Bases: "17 6 * * 0", Rescan: "47 4 * * *"},
	}
}

// cronField is one of the five parts of a cron expression.
type cronField struct {
	name     string
	min, max int
}

var cronFields = []cronField{{"minute", 0, 59}, {"hour", 0, 23}, {"day of the month", 1, 31}, {"month", 1, 12}, {"day of the week", 0, 6}}

// CheckCron tells why s is no cron expression that both forges take: five
// fields of numbers, *, commas, ranges and steps. GitHub starts nothing more
// often than every five minutes.
func CheckCron(s string) error {
	parts := strings.Split(s, " ")
	if len(parts) != len(cronFields) {
		return fmt.Errorf("invalid schedule %q: expected five fields with one space between them, such as \"17 5 * * 1-5\"", s)
	}
	for i, f := range cronFields {
		times, err := f.times(parts[i])
		if err != nil {
			return fmt.Errorf("invalid schedule %q: the %s %q: %w", s, f.name, parts[i], err)
		}
		if i == 0 && tooOften(times) {
			return fmt.Errorf("invalid schedule %q: it is more often than every 5 minutes", s)
		}
	}
	return nil
}

// times are the values that a field stands for, in order.
func (f cronField) times(text string) ([]int, error) {
	in := make([]bool, f.max+1)
	for item := range strings.SplitSeq(text, ",") {
		values, stepText, stepped := strings.Cut(item, "/")
		step := 1
		if stepped {
			var err error
			if step, err = f.number(stepText, 1); err != nil {
				return nil, err
			}
		}
		first, last, err := f.ends(values, stepped)
		if err != nil {
			return nil, err
		}
		for v := first; v <= last; v += step {
			in[v] = true
		}
	}
	var times []int
	for v, is := range in {
		if is {
			times = append(times, v)
		}
	}
	return times, nil
}

// ends are the first and the last value of an item without its step.
func (f cronField) ends(text string, stepped bool) (first, last int, err error) {
	if text == "*" {
		return f.min, f.max, nil
	}
	from, to, ranged := strings.Cut(text, "-")
	if first, err = f.number(from, f.min); err != nil {
		return 0, 0, err
	}
	switch {
	case !ranged && stepped: // "5/10" is every tenth from the fifth on
		return first, f.max, nil
	case !ranged:
		return first, first, nil
	}
	if last, err = f.number(to, f.min); err == nil && last < first {
		err = errors.New("the range ends before it begins")
	}
	return first, last, err
}

func (f cronField) number(text string, least int) (int, error) {
	n, err := strconv.Atoi(text)
	if err != nil || n < least || n > f.max || strconv.Itoa(n) != text {
		return 0, fmt.Errorf("%q is no number from %d to %d", text, least, f.max)
	}
	return n, nil
}

// tooOften tells whether two of the minutes of an hour, or the last of one and
// the first of the next, lie closer than five.
func tooOften(minutes []int) bool {
	const least = 5
	for i, m := range minutes {
		next := minutes[0] + 60
		if i+1 < len(minutes) {
			next = minutes[i+1]
		}
		if next-m < least {
			return true
		}
	}
	return false
}
