package channel

import (
	"cmp"
	"encoding/hex"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"time"

	"crypto/sha256"
)

// link is one version of a document, as the name of the file or object that
// keeps it says. A version is written before the document is replaced by it,
// so one whose writer was killed, or was slower than another, lies there too
// and never was the document. Each names the one before it: those that lead
// from today's document backwards are its versions.
type link struct {
	number   int // counts up from 1
	written  int64
	content  string // beginning of the SHA-256 of the document
	previous string // of the one before it; noContent for the first
}

const (
	contentLength = 32 // hexadecimal digits
	noContent     = "00000000000000000000000000000000"
)

var linkForm = regexp.MustCompile(`^(\d{8})-(\d{1,12})-([0-9a-f]{32})-([0-9a-f]{32})$`)

// String is the name, without its ending.
func (l link) String() string {
	return fmt.Sprintf("%08d-%d-%s-%s", l.number, l.written, l.content, l.previous)
}

func (l link) version() Version {
	return Version{ID: strconv.Itoa(l.number), Time: time.Unix(l.written, 0).UTC()}
}

// parseLink is the inverse of String; false for any other name.
func parseLink(s string) (l link, ok bool) {
	m := linkForm.FindStringSubmatch(s)
	if m == nil {
		return link{}, false
	}
	l = link{content: m[3], previous: m[4]}
	var first, second error
	l.number, first = strconv.Atoi(m[1])
	l.written, second = strconv.ParseInt(m[2], 10, 64)
	return l, first == nil && second == nil && l.number > 0
}

func contentOf(doc []byte) string {
	sum := sha256.Sum256(doc)
	return hex.EncodeToString(sum[:])[:contentLength]
}

// after is the link of a document that replaces the one of l.
func (l link) after(doc []byte, now time.Time) link {
	next := link{number: l.number + 1, written: now.Unix(), content: contentOf(doc), previous: l.content}
	if next.previous == "" {
		next.previous = noContent
	}
	return next
}

// tip is the link of today's document where nothing but its content tells: the
// newest with that content. Where there is none, the document was written by
// somebody who keeps no versions: it follows the newest of all.
func tip(links []link, doc []byte) (l link, kept bool) {
	content := contentOf(doc)
	sorted := slices.SortedFunc(slices.Values(links), newer)
	for _, l := range sorted {
		if l.content == content {
			return l, true
		}
	}
	if len(sorted) > 0 {
		l = sorted[0]
	}
	return l.after(doc, time.Unix(l.written, 0)), false
}

// newer orders the newest first.
func newer(a, b link) int {
	return cmp.Or(cmp.Compare(b.number, a.number), cmp.Compare(b.written, a.written), cmp.Compare(a.content, b.content))
}

// chain is the way from the newest link backwards, the newest first.
func chain(links []link, newest link) []link {
	out := []link{newest}
	for {
		last := out[len(out)-1]
		n := slices.IndexFunc(links, func(l link) bool { return l.number == last.number-1 && l.content == last.previous })
		if n < 0 {
			return out
		}
		out = append(out, links[n])
	}
}

// versions are a chain's.
func versions(links []link) []Version {
	out := make([]Version, len(links))
	for n, l := range links {
		out[n] = l.version()
	}
	return out
}

// find is the link of a version.
func find(links []link, name, id string) (link, error) {
	n := slices.IndexFunc(links, func(l link) bool { return l.version().ID == id })
	if n < 0 {
		return link{}, fmt.Errorf("reading %s as of %q: %w", name, id, ErrNoVersion)
	}
	return links[n], nil
}
