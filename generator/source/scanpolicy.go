package source

import (
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// PolicyFile is the name of the policy of scans, which lies beside the
// settings.
const PolicyFile = "scan-policy.yaml"

const day = 24 * time.Hour

// DefaultPolicy is the policy of a repository that has none.
func DefaultPolicy() model.Policy {
	return model.Policy{
		Mode: model.EnforceBlock,
		Sources: []model.PolicySource{
			{Name: model.SourceArtifactAnalysis, Required: model.RequiredGAR, Timeout: 15 * time.Minute, Poll: 10 * time.Second},
			{Name: model.SourceLocal, Required: model.RequiredUnsupported, Timeout: 15 * time.Minute, Poll: 10 * time.Second},
		},
		Basis:     "effective",
		Fixable:   []string{model.SeverityCritical, model.SeverityHigh},
		Unfixable: []string{model.SeverityCritical, model.SeverityHigh},
		Unknown:   model.PolicyBlock,
		Always:    model.PolicyAlways{KEV: true, Malicious: true, Secrets: true},
		State: model.PolicyState{
			Failed: model.PolicyBlock, Unsupported: model.PolicyFallback, Missing: model.PolicyBlock, Timeout: model.PolicyBlock,
			Inactive: model.PolicyRescan, MaxAge: 72 * time.Hour,
		},
		VEX: model.PolicyVEX{
			Accept: []string{"csaf", "grafeas", "openvex"}, Statuses: []string{model.VEXFixed, model.VEXNotAffected}, Justification: true, Authors: []string{},
		},
		Exceptions: []model.Exception{},
		MaxLifetime: map[string]time.Duration{
			model.SeverityCritical: 14 * day, model.SeverityHigh: 30 * day, model.SeverityMedium: 90 * day,
			model.SeverityLow: 180 * day, model.SeverityNegligible: 180 * day, model.SeverityUnknown: 14 * day,
		},
		WarnBefore: 7 * day,
		Unused:     model.PolicyWarn,
	}
}

// ParsePolicy reads scan-policy.yaml. The list has every mistake; with an
// error in it the policy must not be used.
func ParsePolicy(file string, content []byte) (model.Policy, diag.List) {
	var list diag.List
	f, node, ok := openFile(file, content, maxFile, &list)
	if ok && node != nil {
		f.errorf(RuleBadValue, diag.Pos{}, "", "the policy cannot be read yet")
	}
	return DefaultPolicy(), list
}
