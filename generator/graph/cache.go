package graph

import (
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
)

// Cache keeps Dockerfiles that were parsed, by the id of their blob. Two
// revisions of a fleet have most of them in common. It is safe for concurrent
// use.
type Cache struct {
	mu    sync.Mutex
	files map[string]*parsed
}

// NewCache is an empty cache.
func NewCache() *Cache { return &Cache{files: map[string]*parsed{}} }

// parsed is a Dockerfile, nil when it is wrong, and what is wrong with it. The
// positions have no file.
type parsed struct {
	file *dockerfile.File
	list diag.List
}

// parse parses a blob, once. Two that ask for one blob at a time may both
// parse it: that costs less than waiting for each other.
func (c *Cache) parse(oid string, read func() ([]byte, error)) (*parsed, error) {
	c.mu.Lock()
	p, done := c.files[oid]
	c.mu.Unlock()
	if done {
		return p, nil
	}
	data, err := read()
	if err != nil {
		return nil, err
	}
	p = &parsed{}
	p.file, p.list = dockerfile.Parse("", data)
	c.mu.Lock()
	c.files[oid] = p
	c.mu.Unlock()
	return p, nil
}
