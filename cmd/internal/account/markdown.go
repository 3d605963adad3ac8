package account

import (
	"fmt"
	"strings"

	"github.com/rootfsgen/rootfsgen/cmd/internal/planning"
)

// Line is the bill in one sentence, empty where nothing runs.
func (b *Bill) Line() string {
	all := len(b.Targets)
	known := all - b.Unknown
	switch {
	case all == 0:
		return ""
	case known == 0:
		return fmt.Sprintf("Time and cost: not known, as none of the %s was published with its time before.", count(all, "target"))
	}
	s := fmt.Sprintf("Expected, from earlier runs: %s of machines", span(b.Seconds))
	switch {
	case b.Free == known:
		s += ", cost not known (no price in runners)"
	case b.Free > 0:
		s += fmt.Sprintf(", cost at least %s (%s without a price)", money(b.Cost), count(b.Free, "target"))
	default:
		s += ", cost " + money(b.Cost)
	}
	if b.Unknown > 0 {
		s += fmt.Sprintf("; and %s of %d whose time is not known", count(b.Unknown, "target"), all)
	}
	return s + "."
}

// Markdown is the bill for people on a forge, in at most size bytes: the line,
// and what each target takes, folded.
func (b *Bill) Markdown(size int) string {
	line := b.Line()
	if line == "" {
		return ""
	}
	var s strings.Builder
	s.WriteString("\n" + planning.Escape(line) + "\n")
	if b.Unknown == len(b.Targets) {
		return s.String()
	}
	const end = "\n</details>\n"
	s.WriteString("\n<details><summary>Time and cost of each target</summary>\n\n| target | machine | time | cost |\n|---|---|---|---|\n")
	for n := range b.Targets {
		t := &b.Targets[n]
		row := fmt.Sprintf("| %s | %s | %s | %s |\n", planning.Code(t.ID.String()), planning.Code(t.Class), span(t.Seconds), money(t.Cost))
		if s.Len()+len(row)+len(end)+100 > size {
			fmt.Fprintf(&s, "| … and %s more | | | |\n", count(len(b.Targets)-n, "target"))
			break
		}
		s.WriteString(row)
	}
	s.WriteString(end)
	return s.String()
}

// span is a time as people say it.
func span(seconds float64) string {
	switch whole := int(seconds + 0.5); {
	case seconds <= 0:
		return "not known"
	case whole < 90:
		return fmt.Sprintf("%d s", max(whole, 1))
	case whole < 100*60:
		return fmt.Sprintf("%d min", (whole+30)/60)
	default:
		return fmt.Sprintf("%.1f h", seconds/secondsOfAnHour)
	}
}

// money is an amount of whatever the prices are in.
func money(amount float64) string {
	switch {
	case amount <= 0:
		return "not known"
	case amount < 0.01:
		return "under 0.01"
	}
	return fmt.Sprintf("%.2f", amount)
}

func count(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
