package gate

import (
	"fmt"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// empty tells whether an exception allows that the image has no packages that a
// scanner could look up: then a fresh scan that found none speaks for it, and
// the verdict names the exception. hint is what to write where there is none.
func (j *judge) empty() (hint string, allowed bool) {
	g := finding{blocks: true, Judged: model.Judged{
		Rule: RuleEmpty, Why: "no packages were found in it",
		Finding: model.Finding{
			ID: model.FindingNoPackages, Aliases: []string{}, PURL: "pkg:oci/" + j.target.Image, Severity: model.SeverityUnknown,
			Description: "No packages were found in the image: nobody can say what it is made of.",
		},
	}}
	g.key = g.Finding.ID
	j.allow(&g)
	if !g.blocks {
		j.findings = append(j.findings, g)
		return "", true
	}
	today := j.at.UTC()
	return fmt.Sprintf("; to allow that for a while write into scan-policy.yaml: exceptions: {list: [{id: %s, purl: %q, images: [%s], reason: WHY, owner: WHO, approvedBy: ANOTHER, created: %s, expires: %s}]}",
		g.Finding.ID, g.Finding.PURL, j.target.Image, today.Format(time.DateOnly), today.Add(j.policy.MaxLifetime[model.SeverityUnknown]).Format(time.DateOnly)), false
}
