package source

import "github.com/rootfsgen/rootfsgen/generator/model"

var layoutField = field[settings]{key: "layout", doc: "How the jobs of the images are arranged: `graph`, where an image waits for its parents and for nothing else; `waves`, where images of one level share a matrix and wait for the level before; `auto`, which is `graph` as long as the forge takes it, and `waves` for larger fleets.",
	def: model.LayoutAuto, shape: text{enum: model.Layouts()}, set: func(s *settings, v value) { s.model.Layout = v.text }}
