package gc

import (
	"regexp"
	"strings"
	"time"
)

var (
	datedTag = regexp.MustCompile(`-[0-9]{4}\.[0-9]{2}\.[0-9]{2}-(.+)$`)
	// queued is what pipelines call their snapshot that try a merge before it
	// is made: after a run of a merge queue, or after a request in a train.
	queued = regexp.MustCompile(`^(?:queue|train)-[0-9]+$`)
)

// snapshot is the request that an index of ours was made for, empty for none.
func (x *node) snapshot() string {
	if x.kind != KindIndex || x.identity == "" {
		return ""
	}
	if m := datedTag.FindStringSubmatch(x.version); m != nil {
		return m[1]
	}
	return ""
}

// closed is which snapshots nobody wants any more.
type closed struct {
	request string        // that has closed, empty for none
	queues  time.Duration // after which one of a queue or a train is done with, 0 for never
}

// over tells whether nobody wants what an index was made for. Of a queue's run
// nothing tells when it ends, but its age: all that was merged with it has
// closed since, or was tried again.
func (g *graph) over(x *node, c closed) bool {
	name := x.snapshot()
	if name == "" {
		return false
	}
	if name == c.request {
		return true
	}
	if number, is := strings.CutPrefix(c.request, "mr-"); is && name == "train-"+number {
		return true
	}
	at := g.since(x)
	return c.queues > 0 && queued.MatchString(name) && !at.IsZero() && g.now.Sub(at) >= c.queues
}
