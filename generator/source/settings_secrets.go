package source

import (
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	secretID = text{name: "a secret's id", max: 100, check: model.CheckSecretID,
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9_.-]*$`)}
	secretVariable = text{name: "a variable's name", max: 100, check: model.CheckSecretVariable,
		pattern: regexp.MustCompile(`^[A-Z_][A-Z0-9_]*$`)}
)

// secretsField names what the builds of an image may know and nobody else.
var secretsField = field[description]{key: "secrets",
	doc: "Secrets of the build: by the id of a `RUN --mount=type=secret,id=…`, the name of the variable that holds the value. " +
		"The value is in no key, layer, plan or log, so a new one rebuilds nothing: docs/guide/hardening.md.",
	shape: dict{keys: secretID, of: secretVariable},
	set:   func(d *description, v value) { d.model.Secrets = v.textMap() },
}
