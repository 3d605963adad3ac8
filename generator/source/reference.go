package source

import (
	"fmt"
	"regexp"
	"regexp/syntax"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// maxReferences bounds what a fleet's settings cost for each reference.
const maxReferences = 1000

// referenceShape is one entry of references.
var referenceShape = record[model.Reference]{name: "references", fields: []field[model.Reference]{
	{key: "match", doc: "Regular expression (RE2) over the whole reference as the Dockerfile has it, with arguments expanded and `:latest` added where there is neither a tag nor a digest. Its named groups, `(?P<name>...)`, are for `folder`.", required: true, remedy: `write "match: '^registry\.example\.com/(?P<name>[a-z]+):.*$'"`,
		shape: referenceMatch, set: func(r *model.Reference, v value) { r.Match = v.text }},
	{key: "folder", doc: "Folders that may be meant, from the folder of this file; the first that exists is. `{group}` stands for what a group matched, `*` for any name. One may also name a build file.",
		defWords: "none: what matches is an image from outside",
		shape:    list{of: referenceFolder, scalar: true, unique: true}, set: func(r *model.Reference, v value) { r.Folders = v.texts() }},
	{key: "map", doc: "What the values of a group stand for in `folder`, by group: `{name: {node-base: NodeBase}}`. A value that is not listed stands for itself.",
		shape: dict{keys: groupName, of: dict{keys: anyText, of: text{name: "text", max: 256, empty: true}}}, set: func(r *model.Reference, v value) {
			r.Map = map[string]map[string]string{}
			for _, p := range v.pairs {
				r.Map[p.key] = p.value.textMap()
			}
		}},
}}

// CompileMatch compiles the expression of a reference rule, so that it stands
// for a whole reference.
func CompileMatch(s string) (*regexp.Regexp, error) { return regexp.Compile(`^(?:` + s + `)$`) }

// checkMatch refuses what is no expression, with what is wrong with it.
func checkMatch(s string) error {
	if _, err := syntax.Parse(s, syntax.Perl); err != nil {
		return fmt.Errorf("invalid regular expression: %s", plainSyntaxError(err))
	}
	// An expression such as "a)(b" is wrong alone and right in brackets: only
	// what is right alone is taken, and the brackets change nothing then.
	if _, err := CompileMatch(s); err != nil {
		return fmt.Errorf("invalid regular expression: %s", plainSyntaxError(err))
	}
	return nil
}

func plainSyntaxError(err error) string {
	return strings.TrimPrefix(err.Error(), "error parsing regexp: ")
}

var groupUse = regexp.MustCompile(`\{([^{}]*)\}`)

// checkFolderTemplate tells why s cannot name a folder once its groups are
// filled in.
func checkFolderTemplate(s string) error {
	if err := checkRooted(s); err != nil {
		return err
	}
	for _, use := range groupUse.FindAllStringSubmatch(s, -1) {
		if groupName.verify(use[1]) != nil {
			return fmt.Errorf("invalid folder %q: {%s} cannot name a group", s, use[1])
		}
	}
	if strings.ContainsAny(groupUse.ReplaceAllString(s, "x"), `{}[]?\`) || strings.Contains(s, "**") {
		return fmt.Errorf("invalid folder %q: only {group} and * stand for names", s)
	}
	return nil
}

// checkReferences refuses rules whose parts do not fit together.
func (f *file) checkReferences(rules []value) {
	if len(rules) > maxReferences {
		f.errorf(RuleTooComplex, rules[maxReferences].pos, "write fewer, with groups", "there are more than %d rules", maxReferences)
	}
	for _, rule := range rules {
		r, _ := rule.record.(model.Reference)
		match, err := CompileMatch(r.Match)
		if r.Match == "" || err != nil {
			continue
		}
		var groups []string
		for _, g := range match.SubexpNames() {
			if g != "" && !slices.Contains(groups, g) {
				groups = append(groups, g)
			}
		}
		for _, p := range rule.pairs {
			switch p.key {
			case "folder":
				for _, item := range p.value.items {
					for _, use := range groupUse.FindAllStringSubmatch(item.text, -1) {
						f.checkGroup(use[1], groups, item.pos)
					}
				}
			case "map":
				for _, g := range p.value.pairs {
					f.checkGroup(g.key, groups, g.pos)
				}
			}
		}
	}
}

func (f *file) checkGroup(name string, groups []string, pos diag.Pos) {
	if slices.Contains(groups, name) {
		return
	}
	hint := fmt.Sprintf("write (?P<%s>...) in match", name)
	if near := nearest(name, groups); near != "" {
		hint = near
	}
	f.errorf(RuleUnknownGroup, pos, hint, "match has no group %q", name)
}
