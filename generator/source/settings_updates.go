package source

import (
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxDebounce bounds how long a base may be held back.
const maxDebounce = 90 * 24 * time.Hour

var updatesField = field[settings]{key: "updates", doc: "How `rootfsgen lock --update` takes what moved outside.",
	shape: updatesShape, set: func(s *settings, v value) { s.model.Updates, _ = v.record.(model.Updates) }}

var updatesShape = record[model.Updates]{name: "updates", fields: []field[model.Updates]{
	{key: "debounce", doc: "How old a base must be before it replaces the locked one, by when its images say that they were made, for example `24h`. A base that says nothing, or that is named, is taken at once.",
		defWords: "it is taken at once", shape: duration{max: maxDebounce}, set: func(u *model.Updates, v value) { u.DebounceSeconds = int(v.number) }},
}}
