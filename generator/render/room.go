package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// Room is what a wave of a pipeline may have on a forge.
func Room(p *pipeline.Pipeline, forge string) pipeline.Room {
	if forge == pipeline.GitLab {
		return (&gitlab{p: p}).room()
	}
	return ghRoom
}
