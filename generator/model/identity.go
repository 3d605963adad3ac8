package model

import (
	"encoding/json"
	"slices"
	"strconv"
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
	byPlatform := func(a, b IndexPart) int { return a.Platform.Compare(b.Platform) }
	sorted := parts
	if !slices.IsSortedFunc(parts, byPlatform) {
		sorted = slices.Clone(parts)
		slices.SortFunc(sorted, byPlatform)
	}
	if b, plain := plainIdentity(node, sorted); plain {
		return DigestOf(b)
	}
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

// plainIdentity is the text that JSON's encoder writes, for names that need no
// escaping, as nearly all: a large fleet has one for each image.
func plainIdentity(node string, sorted []IndexPart) ([]byte, bool) {
	if !plainText(node) || len(sorted) == 0 {
		return nil, false
	}
	b := append(make([]byte, 0, 320), `{"format":"rootfsgen-index/1","node":"`...)
	b = append(append(b, node...), `","parts":[`...)
	for i, p := range sorted {
		if !plainText(string(p.Key)) || !plainText(p.Platform.String()) {
			return nil, false
		}
		if i > 0 {
			b = append(b, ',')
		}
		b = append(append(b, `{"platform":"`...), p.Platform.String()...)
		b = append(append(b, `","key":"`...), p.Key...)
		b = append(strconv.AppendInt(append(b, `","generation":`...), int64(p.Generation), 10), '}')
	}
	return append(b, "]}"...), true
}

// plainText tells whether JSON holds a string as it is.
func plainText(s string) bool {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < ' ' || c > '~' || c == '"' || c == '\\' || c == '<' || c == '>' || c == '&' {
			return false
		}
	}
	return true
}
