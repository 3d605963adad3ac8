package registry

import (
	"context"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Built finds the newest generation of a target that a repository has, at
// least the one that is named; false when there is none.
func (c *Client) Built(ctx context.Context, repo string, key model.Digest, generation int) (Descriptor, bool, error) {
	tags, err := c.Tags(ctx, repo)
	if err != nil {
		return Descriptor{}, false, err
	}
	for _, t := range tags {
		if k, g, ok := model.ParseContentTag(t); ok && k == key {
			generation = max(generation, g)
		}
	}
	return c.Resolve(ctx, repo, model.ContentTag(key, generation))
}
