package source

import (
	"maps"
	"regexp"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// relock is what to do about a lock that is not as it was written.
const relock = `run "rootfsgen lock", which writes this file`

// lockContent is images.lock as it is written.
type lockContent struct{ model.Lock }

// lockFile is the table of images.lock.
var lockFile = record[lockContent]{
	name:  "images.lock",
	first: "version",
	fields: []field[lockContent]{
		{key: "version", doc: "Version of this file's format: 1. It must be the first key.", required: true, remedy: relock,
			shape: number{min: 1, max: 1, whole: true}, set: func(*lockContent, value) {}},
		{key: "bases", doc: "Images that are not of this fleet, by reference.",
			shape: dict{keys: text{name: "a reference", max: 512}, of: baseShape}, set: func(l *lockContent, v value) {
				l.Bases = map[string]model.LockedBase{}
				for _, p := range v.pairs {
					l.Bases[p.key], _ = p.value.record.(model.LockedBase)
				}
			}},
		{key: "failed", doc: "Updates of bases with which an image failed, by reference: they wait, or are in quarantine (`updates` in rootfsgen.yaml).",
			shape: dict{keys: text{name: "a reference", max: 512}, of: failedShape}, set: func(l *lockContent, v value) {
				l.Failed = map[string]model.FailedBase{}
				for _, p := range v.pairs {
					l.Failed[p.key], _ = p.value.record.(model.FailedBase)
				}
			}},
		{key: "debian", doc: "Debian suites.",
			shape: dict{keys: suiteName, of: suiteShape}, set: func(l *lockContent, v value) {
				l.Debian = map[string]model.LockedSuite{}
				for _, p := range v.pairs {
					l.Debian[p.key], _ = p.value.record.(model.LockedSuite)
				}
			}},
	},
}

var platformName = text{enum: []string{model.LinuxAMD64.String(), model.LinuxARM64.String()}}

var baseShape = record[model.LockedBase]{name: "a base", fields: []field[model.LockedBase]{
	{key: "digest", doc: "Digest of the index, or of the manifest where there is no index.", required: true, remedy: relock, shape: digestText,
		set: func(b *model.LockedBase, v value) { b.Digest = model.Digest(v.text) }},
	{key: "platforms", doc: "What each platform is.", required: true, remedy: relock,
		shape: dict{keys: platformName, of: variantShape}, set: func(b *model.LockedBase, v value) {
			b.Platforms = map[string]model.LockedVariant{}
			for _, p := range v.pairs {
				b.Platforms[p.key], _ = p.value.record.(model.LockedVariant)
			}
		}},
}}

// maxFailures is more often than anybody lets an update fail.
const maxFailures = 1000

var failedShape = record[model.FailedBase]{name: "an update that failed", fields: []field[model.FailedBase]{
	{key: "digest", doc: "Digest that the base moved to.", required: true, remedy: relock, shape: digestText,
		set: func(b *model.FailedBase, v value) { b.Digest = model.Digest(v.text) }},
	{key: "failures", doc: "How often the image failed with it that did so most often.", required: true, remedy: relock, shape: number{min: 1, max: maxFailures, whole: true},
		set: func(b *model.FailedBase, v value) { b.Failures = int(v.number) }},
	{key: "last", doc: "When one last did.", required: true, remedy: relock, shape: text{name: "a time", max: 20, expect: "a time such as 2026-11-21T12:00:00Z",
		pattern: regexp.MustCompile(`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$`)},
		set: func(b *model.FailedBase, v value) { b.Last = v.text }},
	{key: "images", doc: "How often each image failed with it.", shape: dict{keys: lockImage, of: number{min: 1, max: maxFailures, whole: true}},
		set: func(b *model.FailedBase, v value) {
			b.Images = map[string]int{}
			for _, p := range v.pairs {
				b.Images[p.key] = int(p.value.number)
			}
		}},
}}

var variantShape = record[model.LockedVariant]{name: "a platform of a base", fields: []field[model.LockedVariant]{
	{key: "digest", doc: "Digest of the platform's manifest.", required: true, remedy: relock, shape: digestText,
		set: func(p *model.LockedVariant, v value) { p.Digest = model.Digest(v.text) }},
	{key: "config", doc: "What a build inherits from the image.", shape: configShape,
		set: func(p *model.LockedVariant, v value) { p.Config, _ = v.record.(model.BaseConfig) }},
}}

var lockText = text{name: "text", controls: true, empty: true, max: 256 << 10}

var configShape = record[model.BaseConfig]{name: "a configuration", fields: []field[model.BaseConfig]{
	{key: "env", doc: "Environment, `NAME=value`.", shape: list{of: lockText},
		set: func(c *model.BaseConfig, v value) { c.Env = v.texts() }},
	{key: "working_dir", doc: "Working directory.", shape: lockText,
		set: func(c *model.BaseConfig, v value) { c.WorkingDir = v.text }},
	{key: "user", doc: "User.", shape: lockText,
		set: func(c *model.BaseConfig, v value) { c.User = v.text }},
	{key: "onbuild", doc: "Instructions that run in a child.", shape: list{of: lockText},
		set: func(c *model.BaseConfig, v value) { c.OnBuild = v.texts() }},
}}

var suiteShape = record[model.LockedSuite]{name: "a suite", fields: []field[model.LockedSuite]{
	{key: "inrelease", doc: "SHA-256 of the suite's InRelease file.", required: true, remedy: relock, shape: digestText,
		set: func(s *model.LockedSuite, v value) { s.InRelease = model.Digest(v.text) }},
	{key: "images", doc: "Package versions, by image and platform (`debian-base linux/amd64`).",
		shape: dict{keys: lockTarget, of: dict{keys: packageName, of: packageVersion}}, set: func(s *model.LockedSuite, v value) {
			s.Images = map[string]map[string]string{}
			for _, p := range v.pairs {
				s.Images[p.key] = p.value.textMap()
			}
		}},
}}

var (
	lockImage = text{name: "an image", max: 384, expect: "an image, such as python or python:3.13",
		pattern: regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*){0,2}$`)}
	lockTarget = text{name: "an image and a platform", max: 384, expect: "an image and a platform, such as debian-base linux/amd64",
		pattern: regexp.MustCompile(`^[a-z0-9]+([._-][a-z0-9]+)*(:[A-Za-z0-9_][A-Za-z0-9._-]*){0,2} linux/(amd64|arm64)$`)}
	packageVersion = text{name: "a version", max: 256, expect: "a Debian package's version",
		pattern: regexp.MustCompile(`^[A-Za-z0-9.+:~-]+$`)}
)

// ParseLock reads images.lock. The lock holds what could be understood.
func ParseLock(content []byte, file string) (model.Lock, diag.List) {
	var l diag.List
	lock := parseLock(content, file, &l)
	return lock, l.Sorted()
}

func parseLock(content []byte, path string, list *diag.List) model.Lock {
	if content == nil {
		return model.Lock{}
	}
	f, node, ok := openFile(path, content, maxLockFile, list)
	if ok && node == nil {
		f.errorf(RuleMissingKey, diag.Pos{}, "write it with: rootfsgen lock", "the file is empty")
	}
	if !ok || node == nil {
		return model.Lock{}
	}
	if node, ok = f.resolve(node); !ok {
		return model.Lock{}
	}
	v, _ := lockFile.read(f, lockFile.name, node)
	lock, _ := v.record.(lockContent)
	return lock.Lock
}

// overlay is base with what top says instead: whole bases, and the packages of
// single targets.
func overlay(base, top model.Lock) model.Lock {
	out := model.Lock{Bases: maps.Clone(base.Bases), Debian: maps.Clone(base.Debian), Failed: base.Failed}
	for ref, b := range top.Bases {
		if out.Bases == nil {
			out.Bases = map[string]model.LockedBase{}
		}
		out.Bases[ref] = b
	}
	for name, s := range top.Debian {
		if out.Debian == nil {
			out.Debian = map[string]model.LockedSuite{}
		}
		merged := model.LockedSuite{InRelease: s.InRelease, Images: maps.Clone(out.Debian[name].Images)}
		for target, packages := range s.Images {
			if merged.Images == nil {
				merged.Images = map[string]map[string]string{}
			}
			merged.Images[target] = packages
		}
		out.Debian[name] = merged
	}
	return out
}
