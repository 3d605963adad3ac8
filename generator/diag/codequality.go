package diag

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
)

// issue is one entry of GitLab's code quality report.
type issue struct {
	Description string   `json:"description"`
	CheckName   string   `json:"check_name"`
	Fingerprint string   `json:"fingerprint"`
	Severity    string   `json:"severity"`
	Location    location `json:"location"`
}

type location struct {
	Path  string `json:"path"`
	Lines lines  `json:"lines"`
}

type lines struct {
	Begin int `json:"begin"`
}

func codeQuality(l List) []issue {
	out := make([]issue, 0, len(l))
	for _, d := range l {
		severity := "major"
		if d.Severity == Warning {
			severity = "minor"
		}
		sum := sha256.Sum256(fmt.Appendf(nil, "%s\x00%s\x00%d\x00%s", d.Rule, d.Pos.File, d.Pos.Line, d.Message))
		out = append(out, issue{
			Description: d.Message, CheckName: d.Rule, Severity: severity,
			Fingerprint: hex.EncodeToString(sum[:]),
			Location:    location{Path: d.Pos.File, Lines: lines{Begin: max(d.Pos.Line, 1)}},
		})
	}
	return out
}
