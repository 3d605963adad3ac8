package plantest

import (
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
)

// Policy is that of a repository without a scan-policy.yaml.
func Policy() model.Policy { return policy.Default() }
