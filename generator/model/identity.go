package model

import (
	"encoding/json"
	"slices"
	"strings"
)

// IndexPart is one platform of an index: whose bytes, and which generation of
// them.
type IndexPart struct {
	Platform   Platform `json:"platform"`
	Key        Digest   `json:"key"`
	Generation int      `json:"generation"`
}

// IndexIdentity is the identity of an index: SHA-256 over what it is of
// ("image:tag"; see TargetID.Node) and its platforms' keys and generations, in
// whatever order they are given. The node counts because two tags of one image
// can have the same bytes, and each must be published.
func IndexIdentity(node string, parts []IndexPart) Digest {
	sorted := slices.Clone(parts)
	slices.SortFunc(sorted, func(a, b IndexPart) int { return strings.Compare(a.Platform.String(), b.Platform.String()) })
	b, err := json.Marshal(struct {
		Format string      `json:"format"`
		Node   string      `json:"node"`
		Parts  []IndexPart `json:"parts"`
	}{"rootfsgen-index/1", node, sorted})
	if err != nil {
		panic(err) // strings and numbers always marshal
	}
	return DigestOf(b)
}
