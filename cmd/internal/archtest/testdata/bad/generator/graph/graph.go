// Package graph breaks a rule.
package graph

import (
	_ "example.com/bad/generator/model"
	_ "github.com/google/go-containerregistry/pkg/v1/remote/transport"
	_ "go.yaml.in/yaml/v3"
)
