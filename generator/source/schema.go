package source

import (
	"bytes"
	"encoding/json"
)

// schemaBase is where the schemas are published.
const schemaBase = "https://raw.githubusercontent.com/rootfsgen/rootfsgen/main/schema/"

// SchemaNames are the names that Schema knows, sorted.
func SchemaNames() []string { return []string{"image", "lock", "rootfsgen", "scan-policy"} }

// Schema is the JSON schema (draft 2020-12) of one file: "rootfsgen", "image",
// "lock" or "scan-policy"; false for any other name. It is made from the table that the
// loader reads with.
func Schema(name string) ([]byte, bool) {
	var s map[string]any
	switch name {
	case "rootfsgen":
		s = settingsFile.schema()
		s["title"] = DefaultConfig
	case "image":
		s = imageFile.schema()
		s["title"] = imageFileName
	case "lock":
		s = lockFile.schema()
		s["title"] = LockFile
	case "scan-policy":
		s = policyFile.schema()
		s["title"] = PolicyFile
	default:
		return nil, false
	}
	s["$schema"] = "https://json-schema.org/draft/2020-12/schema"
	s["$id"] = schemaBase + name + ".json"
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent("", "  ")
	if err := e.Encode(s); err != nil {
		return nil, false
	}
	return b.Bytes(), true
}
