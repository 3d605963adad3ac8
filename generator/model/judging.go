package model

import "time"

// Judging is what a scan policy means for pipelines. The zero value is a fleet
// of which nothing is scanned.
type Judging struct {
	On      bool   // images are scanned and judged between their tests and their publication
	Upload  string // where else findings go: UploadSARIF, or empty
	Minutes int    // that the sources of findings may take together
}

// Judging is what the policy means for pipelines.
func (p *Policy) Judging() Judging {
	if p.Mode == EnforceOff {
		return Judging{}
	}
	j := Judging{On: true, Upload: p.Evidence.Upload}
	for _, s := range p.Sources {
		j.Minutes += int((s.Timeout + time.Minute - 1) / time.Minute)
	}
	return j
}
