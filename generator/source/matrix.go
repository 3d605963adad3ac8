package source

import (
	"cmp"
	"maps"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxMatrix is the most images that one matrix makes.
const maxMatrix = 256

// axis is one entry of matrix.
type axis struct {
	name   string
	values []axisValue
}

// axisValue is what one value of an axis changes.
type axisValue struct {
	name       string
	pos        diag.Pos
	dockerfile value
	args       map[string]string
	platforms  []model.Platform
	stage      string
	tag        string
	suffix     *string // nil is the value's name
}

func (v axisValue) suffixText() string {
	if v.suffix == nil {
		return v.name
	}
	return *v.suffix
}

var axisValueShape = record[axisValue]{name: "a value of matrix", fields: []field[axisValue]{
	{key: "dockerfile", doc: "Build file, relative to the image's folder.", defWords: "the image's", shape: treePath,
		set: func(a *axisValue, v value) { a.dockerfile = v }},
	{key: "args", doc: "Build arguments, beside the image's; they win.", shape: dict{keys: argumentName, of: longText},
		set: func(a *axisValue, v value) { a.args = v.textMap() }},
	{key: "arch", doc: "Architectures; where several axes list some, those that all of them list.", defWords: "the image's", shape: archList,
		set: func(a *axisValue, v value) { a.platforms = platformsOf(v) }},
	{key: "stage", doc: "Stage of the Dockerfile that is built.", defWords: "the image's", shape: stageName,
		set: func(a *axisValue, v value) { a.stage = v.text }},
	{key: "tag", doc: "Tag in place of `component_version`. Quote it.", defWords: "`component_version`", shape: tagText,
		set: func(a *axisValue, v value) { a.tag = v.text }},
	{key: "suffix", doc: "What the value adds to the tag; empty is nothing.", defWords: "the value's name", shape: emptyTag,
		set: func(a *axisValue, v value) { a.suffix = &v.text }},
}}

var emptyTag = func() text { t := tagText; t.empty = true; return t }()

// matrixShape is the axes by name.
var matrixShape = dict{keys: imageName, of: dict{keys: tagText, of: axisValueShape}}

// axes are the matrix in the order of its names, so that the order in which
// people write it does not matter.
func axes(v value) []axis {
	var out []axis
	for _, p := range v.pairs {
		a := axis{name: p.key}
		for _, q := range p.value.pairs {
			item, _ := q.value.record.(axisValue)
			item.name, item.pos = q.key, q.pos
			a.values = append(a.values, item)
		}
		slices.SortFunc(a.values, func(x, y axisValue) int { return strings.Compare(x.name, y.name) })
		if len(a.values) > 0 {
			out = append(out, a)
		}
	}
	slices.SortFunc(out, func(x, y axis) int { return strings.Compare(x.name, y.name) })
	return out
}

// cell is one combination of a matrix: the image's description with the values
// of its axes.
type cell struct {
	d       *description // which nobody changes
	file    value        // the build file that a value names
	tag     string       // instead of component_version
	variant string
	pos     diag.Pos // of the last axis's value
}

// cells are the combinations of an image's matrix; one without changes where
// it has none.
func (d *description) cells(f *file) []cell {
	out := []cell{{d: d}}
	if len(d.matrix) == 0 {
		return out
	}
	for _, a := range d.matrix {
		if len(out)*len(a.values) > maxMatrix {
			f.errorf(RuleTooComplex, a.values[0].pos, "make several images of it", "the matrix makes more than %d images", maxMatrix)
			return out[:1]
		}
		var next []cell
		for _, c := range out {
			for _, v := range a.values {
				next = append(next, c.with(v))
			}
		}
		out = next
	}
	taken := map[[2]string]bool{}
	for _, c := range out {
		name := [2]string{c.tag, c.variant}
		if taken[name] {
			f.errorf(RuleDuplicateImage, c.pos, "give one of them another suffix or tag", "two combinations of the matrix have the same tag%s", suffixed(c.variant))
			return out[:1]
		}
		taken[name] = true
		if err := model.CheckTag(orDefault(c.variant, "x")); err != nil {
			f.errorf(RuleBadValue, c.pos, "shorten the suffixes", "the suffixes of the matrix make an invalid tag: %s", err)
			return out[:1]
		}
		if c.d.noPlatform {
			f.errorf(RuleNoEffect, c.pos, "list an architecture under all of them, or leave arch out", "the value has no effect: no architecture is left for it")
			return out[:1]
		}
	}
	return out
}

func suffixed(variant string) string {
	if variant == "" {
		return ""
	}
	return " with the suffix " + variant
}

func (c cell) with(v axisValue) cell {
	d := *c.d
	m := &d.model
	if len(v.args) > 0 {
		args := maps.Clone(m.Args)
		if args == nil {
			args = map[string]string{}
		}
		maps.Copy(args, v.args)
		m.Args = args
	}
	switch {
	case len(v.platforms) == 0:
	case len(m.Platforms) == 0:
		m.Platforms = v.platforms
	default:
		m.Platforms = slices.DeleteFunc(slices.Clone(m.Platforms), func(p model.Platform) bool { return !slices.Contains(v.platforms, p) })
		if len(m.Platforms) == 0 {
			d.noPlatform = true
		}
	}
	if v.dockerfile.text != "" {
		c.file = v.dockerfile
	}
	m.Stage, c.d = cmp.Or(v.stage, m.Stage), &d
	c.tag = cmp.Or(v.tag, c.tag)
	c.pos = v.pos
	if s := v.suffixText(); s != "" {
		c.variant = strings.TrimPrefix(c.variant+"-"+s, "-")
	}
	return c
}
