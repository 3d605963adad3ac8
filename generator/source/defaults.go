package source

import (
	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Defaults are the settings of a repository that has none.
func Defaults() model.Settings {
	var none diag.List
	s := parseSettings(DefaultConfig, ".", nil, &none)
	return s.model
}
