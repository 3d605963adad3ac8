package source

import "github.com/rootfsgen/rootfsgen/generator/model"

var publishField = field[settings]{key: "publish",
	doc: "`always`: every new index gets a version. `changed`: not one of a rebuild that no input explains, as the weekly one of the bases, if the packages and the configuration of each platform " +
		"are those of the index before: names, versions and architectures. An image whose packages cannot be read is always published.",
	def: model.PublishAlways, shape: text{enum: []string{model.PublishAlways, model.PublishChanged}},
	set: func(s *settings, v value) { s.model.Publish = v.text }}
