// Package gate judges what scanners found by a policy. It fails closed: only a
// finished, fresh scan in which nothing blocks is a pass.
package gate

import (
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Where says where an image lies, as far as a policy asks.
type Where struct {
	GAR bool // in Artifact Registry, where Google scans it
}

// Judge says what a policy makes of the scans of one platform's digest, as of
// a moment. It is pure; the order of the scans does not matter. Scans of other
// digests speak for nothing.
func Judge(p model.Policy, at time.Time, target model.TargetID, digest model.Digest, scans []model.Scan, where Where) model.Verdict {
	return model.Verdict{
		Version: model.VerdictVersion, Image: target.Image, Tag: target.Tag, Variant: target.Variant, Platform: target.Platform.String(),
		Digest: digest, Outcome: model.VerdictIncomplete, Policy: p.Digest(), Mode: p.Mode, Time: at.UTC().Format(time.RFC3339),
	}
}
