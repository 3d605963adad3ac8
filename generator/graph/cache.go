package graph

import (
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/dockerfile"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Cache keeps Dockerfiles that were parsed, by the id of their blob. Two
// revisions of a fleet have most of them in common. It is safe for concurrent
// use.
type Cache struct {
	parser *dockerfile.Parser

	mu    sync.Mutex
	files map[string]*parsed
	fleet *model.Fleet
	tree  model.Tree // that names were made of, too
	names *names     // of fleet
}

// cachedFiles bounds the Dockerfiles that are kept: a parsed one takes some
// ten thousand bytes.
const cachedFiles = 1024

// NewCache is an empty cache.
func NewCache() *Cache { return &Cache{parser: dockerfile.NewParser(), files: map[string]*parsed{}} }

// parsed is a Dockerfile, nil when it is wrong, and what is wrong with it. The
// positions have no file.
type parsed struct {
	file *dockerfile.File
	list diag.List
}

// namesOf are the names of a fleet. Where all is settled they are those of the
// other tree, in which the same fleet lies with the same paths.
func (c *Cache) namesOf(fleet *model.Fleet, tree model.Tree, settled bool) *names {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.fleet != fleet || !settled && c.tree != tree {
		c.fleet, c.tree, c.names = fleet, tree, newNames(fleet, tree)
	}
	return c.names
}

func (c *Cache) get(oid string) *parsed {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.files[oid]
}

// parse parses a blob. Two that ask for one blob at a time may both parse it:
// that costs less than waiting for each other.
func (c *Cache) parse(oid string, data []byte) *parsed {
	p := &parsed{}
	p.file, p.list = c.parser.Parse("", data)
	c.mu.Lock()
	defer c.mu.Unlock()
	if len(c.files) < cachedFiles {
		c.files[oid] = p
	}
	return p
}

// parseAll parses many blobs; those with mistakes are nil.
func (c *Cache) parseAll(texts [][]byte) []*dockerfile.File { return c.parser.ParseAll(texts) }
