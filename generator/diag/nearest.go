package diag

import "strings"

// Nearest is the candidate that differs least from name, letters of either
// case being the same; of equally near ones the first. It is empty when all
// are further away than limit edits.
func Nearest(name string, candidates []string, limit int) string {
	best, least := "", limit+1
	for _, c := range candidates {
		if d := Distance(strings.ToLower(name), strings.ToLower(c), least); d < least {
			best, least = c, d
		}
	}
	return best
}

// Distance counts the insertions, deletions, substitutions and swaps of
// neighbours that turn a into b; limit when there are at least that many.
func Distance(a, b string, limit int) int {
	x, y := []rune(a), []rune(b)
	if len(x)-len(y) >= limit || len(y)-len(x) >= limit {
		return limit
	}
	above2, above, row := make([]int, len(y)+1), make([]int, len(y)+1), make([]int, len(y)+1)
	for j := range above {
		above[j] = j
	}
	for i := range x {
		row[0] = i + 1
		for j := range y {
			substitution := above[j]
			if x[i] != y[j] {
				substitution++
			}
			row[j+1] = min(above[j+1]+1, row[j]+1, substitution)
			if i > 0 && j > 0 && x[i] == y[j-1] && x[i-1] == y[j] {
				row[j+1] = min(row[j+1], above2[j-1]+1)
			}
		}
		above2, above, row = above, row, above2
	}
	return min(above[len(y)], limit)
}
