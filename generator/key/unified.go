package key

import (
	"fmt"
	"slices"
	"strings"
)

// contextLines are the equal instructions around one that differs.
const contextLines = 1

// DiffInstructions is what differs between the instructions of two forms, as a
// unified diff without a heading: "-" before what went, "+" before what came,
// a blank before what stayed around it, and "..." for what is left out. Values
// of secrets are not in it. It is empty where the instructions are equal.
func DiffInstructions(old, now Form) []string {
	if unreadable(old) != unreadable(now) {
		return nil
	}
	a, b := textLines(old), textLines(now)
	common := lcs(a, b)
	var all []string // each with its mark
	i, j := 0, 0
	changed := false
	for _, m := range append(common, [2]int{len(a), len(b)}) {
		for ; i < m[0]; i++ {
			all, changed = append(all, "-"+Redact(a[i])), true
		}
		for ; j < m[1]; j++ {
			all, changed = append(all, "+"+Redact(b[j])), true
		}
		if m[0] < len(a) {
			all = append(all, " "+Redact(a[i]))
			i, j = i+1, j+1
		}
	}
	if !changed {
		return nil
	}
	return near(all)
}

// textLines are a form's instructions in lines: one with a here-document has
// several.
func textLines(f Form) []string {
	var out []string
	for _, v := range values(f) {
		out = append(out, strings.Split(strings.TrimSuffix(v, "\n"), "\n")...)
	}
	return out
}

// near keeps what differs and the lines around it.
func near(all []string) []string {
	var out []string
	left := 0
	for i, line := range all {
		keep := false
		for k := max(0, i-contextLines); k <= min(len(all)-1, i+contextLines); k++ {
			keep = keep || all[k][0] != ' '
		}
		if !keep {
			left++
			continue
		}
		if left > 0 && len(out) > 0 {
			out = append(out, fmt.Sprintf("... %d the same", left))
		}
		left = 0
		out = append(out, line)
	}
	return out
}

// maxTable bounds the work of lcs: what is larger counts as wholly different.
const maxTable = 4_000_000

// lcs are the places of a longest common subsequence in both lists.
func lcs(a, b []string) [][2]int {
	begin := 0
	for begin < len(a) && begin < len(b) && a[begin] == b[begin] {
		begin++
	}
	end := 0
	for end < len(a)-begin && end < len(b)-begin && a[len(a)-1-end] == b[len(b)-1-end] {
		end++
	}
	var out [][2]int
	for i := range begin {
		out = append(out, [2]int{i, i})
	}
	out = append(out, middle(a[begin:len(a)-end], b[begin:len(b)-end], begin)...)
	for i := range end {
		out = append(out, [2]int{len(a) - end + i, len(b) - end + i})
	}
	return out
}

func middle(a, b []string, offset int) [][2]int {
	if len(a)*len(b) > maxTable {
		return nil
	}
	length := make([][]int, len(a)+1)
	for i := range length {
		length[i] = make([]int, len(b)+1)
	}
	for i := range slices.Backward(a) {
		for j := range slices.Backward(b) {
			if a[i] == b[j] {
				length[i][j] = length[i+1][j+1] + 1
			} else {
				length[i][j] = max(length[i+1][j], length[i][j+1])
			}
		}
	}
	var out [][2]int
	for i, j := 0, 0; i < len(a) && j < len(b); {
		switch {
		case a[i] == b[j]:
			out = append(out, [2]int{i + offset, j + offset})
			i, j = i+1, j+1
		case length[i+1][j] >= length[i][j+1]:
			i++
		default:
			j++
		}
	}
	return out
}
