package buildkit

import (
	"fmt"
	"strings"

	"github.com/distribution/reference"
	spb "github.com/moby/buildkit/sourcepolicy/pb"
)

// Context says which image a reference in the Dockerfile stands for.
type Context struct {
	Ref    string // BuildKit's name for the reference: the option is "context:" + Ref
	Source string // "host/repository@sha256:..."
}

const imageScheme = "docker-image://"

// sourcePolicy lets the daemon read the images that the request names, and no
// other: what was not hashed cannot be read, wherever a reference to it comes
// from (an ONBUILD instruction of a base, for example).
func sourcePolicy(sources []string) (*spb.Policy, error) {
	rules := []*spb.Rule{{
		Action:   spb.PolicyAction_DENY,
		Selector: &spb.Selector{Identifier: `^(docker-image|oci-layout)(\+blob)?://`, MatchType: spb.MatchType_REGEX},
	}}
	for _, s := range sources {
		name, err := pinned(s)
		if err != nil {
			return nil, err
		}
		rules = append(rules, &spb.Rule{
			Action:   spb.PolicyAction_ALLOW,
			Selector: &spb.Selector{Identifier: imageScheme + name, MatchType: spb.MatchType_EXACT},
		})
	}
	return &spb.Policy{Version: 1, Rules: rules}, nil
}

// pinned is the form in which BuildKit itself names an image; the reference
// must have a digest.
func pinned(ref string) (string, error) {
	name, err := normalize(ref)
	if err == nil && !strings.Contains(name, "@sha256:") {
		err = fmt.Errorf("image reference %q has no digest", ref)
	}
	return name, err
}

// normalize is the form in which BuildKit itself names an image.
func normalize(ref string) (string, error) {
	named, err := reference.ParseNormalizedNamed(ref)
	if err != nil {
		return "", fmt.Errorf("invalid image reference %q: %w", ref, err)
	}
	return reference.TagNameOnly(named).String(), nil
}
