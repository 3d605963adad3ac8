package render

import "github.com/rootfsgen/rootfsgen/generator/pipeline"

// Room is what a wave may have on a forge.
func Room(forge string) pipeline.Room {
	if forge == pipeline.GitLab {
		return glRoom
	}
	return ghRoom
}
