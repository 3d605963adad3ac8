package source

import (
	"cmp"
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// LockProgramsHint is how a release comes to be pinned.
const LockProgramsHint = "run \"rootfsgen lock --programs VERSION\", which writes programs"

var (
	programsVersion = text{name: "a version", max: 64, check: model.CheckProgramsVersion,
		pattern: regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9._+-]*$`)}
	programsAddress = text{name: "an address", max: 512, check: model.CheckProgramsURL,
		pattern: regexp.MustCompile(`^https://[A-Za-z0-9.:-]+/[A-Za-z0-9._~/{}+%-]*$`)}
	commitText = text{name: "a commit", max: 64, expect: "a commit's whole id, 40 hexadecimal digits",
		pattern: regexp.MustCompile(`^[0-9a-f]{40}([0-9a-f]{24})?$`)}
	hexDigest = text{name: "a digest", max: 64, expect: "64 hexadecimal digits",
		pattern: regexp.MustCompile(`^[0-9a-f]{64}$`)}
)

var runtimeField = field[settings]{key: "runtime",
	doc:      "How the programs reach a job: `release` fetches those that `programs` pins, `installed` takes those on the machine's PATH, `source` compiles them from this repository, which must be a copy of rootfsgen's; with `programs` only where its Go files differ from the release's.",
	defWords: "`release` where `programs` is set, else `installed`",
	shape:    text{enum: []string{model.RuntimeRelease, model.RuntimeInstalled, model.RuntimeSource}},
	set:      func(s *settings, v value) { s.model.Runtime, s.runtimeAt = v.text, v.pos },
}

var programsField = field[settings]{key: "programs",
	doc:   "The release that jobs take the programs from. `rootfsgen lock --programs VERSION` writes it.",
	shape: programsShape,
	set:   func(s *settings, v value) { s.model.Programs, s.programsAt = v.record.(model.Programs), v.pos },
}

const lockPrograms = `run "rootfsgen lock --programs VERSION", which writes it`

var programsShape = record[model.Programs]{name: "programs", fields: []field[model.Programs]{
	{key: "version", doc: "Version of the release, such as v1.2.3.", required: true, remedy: `write "version: v1.2.3"`, shape: programsVersion,
		set: func(p *model.Programs, v value) { p.Version = v.text }},
	{key: "url", doc: "Address of its files, with `{version}`, `{program}`, `{os}` and `{arch}`; a mirror of your own, for example. `SHA256SUMS` lies beside them.", def: model.ProgramsURL, shape: programsAddress,
		set: func(p *model.Programs, v value) { p.URL = v.text }},
	{key: "commit", doc: "Commit that the release was made from, for `runtime: source`.", shape: commitText,
		set: func(p *model.Programs, v value) { p.Commit = v.text }},
	{key: "sha256", doc: "SHA-256 of each file. A job runs no file that has another.", required: true, remedy: lockPrograms,
		shape: dict{keys: text{name: "a file", enum: model.ProgramKeys()}, of: hexDigest}, set: func(p *model.Programs, v value) { p.SHA256 = v.textMap() }},
}}

// checkPrograms refuses a release that is not pinned.
func (f *file) checkPrograms(s *settings) {
	p := s.model.Programs
	if s.model.Runtime == model.RuntimeRelease && p.Version == "" {
		f.errorf(RuleNoRelease, s.runtimeAt, LockProgramsHint, "runtime is release, and no release is pinned")
	}
	if p.Version == "" {
		return
	}
	for _, key := range model.ProgramKeys() {
		if p.SHA256[key] == "" {
			f.errorf(RuleNoRelease, s.programsAt, LockProgramsHint, "programs has no sha256 of %s", key)
		}
	}
}

// defaultPrograms says where the programs come from when the settings do not.
func (s *settings) defaultPrograms() {
	m := &s.model
	if m.Programs.Version == "" {
		m.Runtime = cmp.Or(m.Runtime, model.RuntimeInstalled)
		return
	}
	m.Programs.URL = cmp.Or(m.Programs.URL, model.ProgramsURL)
	m.Runtime = cmp.Or(m.Runtime, model.RuntimeRelease)
}
