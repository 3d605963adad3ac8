package source

import (
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxDebounce bounds how long a base may be held back.
const maxDebounce = 90 * 24 * time.Hour

// maxQuarantine bounds how often an update may fail.
const maxQuarantine = 100

var updatesField = field[settings]{key: "updates", doc: "How `rootfsgen lock --update` takes what moved outside.",
	shape: updatesShape, set: func(s *settings, v value) { s.model.Updates, _ = v.record.(model.Updates) }}

var updatesShape = record[model.Updates]{name: "updates", fields: []field[model.Updates]{
	{key: "debounce", doc: "How old a base must be before it replaces the locked one, by when its images say that they were made, for example `24h`. A base that says nothing, or that is named, is taken at once.",
		defWords: "it is taken at once", shape: duration{max: maxDebounce}, set: func(u *model.Updates, v value) { u.DebounceSeconds = int(v.number) }},
	{key: "backoff", doc: "How long an update of a base waits with which an image failed, for example `24h`: so long after the first time, and twice as long after each further one. The others go on without it.",
		defWords: "it is offered again at once", shape: duration{max: maxDebounce}, set: func(u *model.Updates, v value) { u.BackoffSeconds = int(v.number) }},
	{key: "quarantine", doc: "How often an image may fail with an update of a base. Then the update is held until the base moves again, or is named.",
		defWords: "as often as it does", shape: number{min: 1, max: maxQuarantine, whole: true}, set: func(u *model.Updates, v value) { u.Quarantine = int(v.number) }},
}}
