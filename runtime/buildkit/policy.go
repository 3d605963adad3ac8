package buildkit

import (
	"fmt"

	"github.com/distribution/reference"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
)

// Context says which bytes a reference in the Dockerfile stands for.
type Context struct {
	Ref    string // as the Dockerfile has it, arguments expanded
	Source string // "host/repository@sha256:..."
}

const imageScheme = "docker-image://"

// sourcePolicy makes the daemon take each reference for its source, and
// refuse any other image: what was not hashed cannot be read.
//
// BuildKit's named contexts would do the first half, but it looks the names of
// stages up in the same table: in "FROM base AS base" the whole stage would be
// replaced by its base. A policy applies where an image is fetched, which a
// stage never is.
func sourcePolicy(contexts []Context) (*spb.Policy, error) {
	rules := []*spb.Rule{{
		Action:   spb.PolicyAction_DENY,
		Selector: &spb.Selector{Identifier: "^(docker-image|docker-image\\+blob|oci-layout)://", MatchType: spb.MatchType_REGEX},
	}}
	var converts []*spb.Rule
	for _, c := range contexts {
		from, err := normalize(c.Ref)
		if err != nil {
			return nil, err
		}
		to, err := normalize(c.Source)
		if err != nil {
			return nil, err
		}
		rules = append(rules, &spb.Rule{
			Action:   spb.PolicyAction_ALLOW,
			Selector: &spb.Selector{Identifier: imageScheme + to, MatchType: spb.MatchType_EXACT},
		})
		converts = append(converts, &spb.Rule{
			Action:   spb.PolicyAction_CONVERT,
			Selector: &spb.Selector{Identifier: imageScheme + from, MatchType: spb.MatchType_EXACT},
			Updates:  &spb.Update{Identifier: imageScheme + to},
		})
	}
	return &spb.Policy{Version: 1, Rules: append(rules, converts...)}, nil
}

// normalize is the form in which BuildKit itself names an image.
func normalize(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("invalid image reference %q: %w", ref, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
