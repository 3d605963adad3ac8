package fuzz

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"path"
	"reflect"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/goccy/go-yaml"
	"github.com/goccy/go-yaml/ast"
	"github.com/goccy/go-yaml/parser"
	"github.com/rhysd/actionlint"
	yaml3 "go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/audit"
	"github.com/rootfsgen/rootfsgen/generator/history"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/generator/render"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// The user's files, with a name for each place that a value can be put in. A
// name in brackets is replaced by its value, quoted.
const hostileSettings = `version: 1
registry: {pr: [pr], testing: [testing], prod: [prod]}
release: {tags: [tags]}
default_branch: [branch]
channels: {branch: [channels]}
layout: [layout]
runtime: [runtime]
runners:
  spot-amd64: {github: [[label], [label2]], gitlab: [[tag]], timeout: [timeout], image: [image], services: [{name: [service], image: [service image]}], variables: {[variable]: [variable value]}, on_demand: [class]}
  [class]: {github: [[class label]], gitlab: [[class tag]]}
  small: {github: [[small]], gitlab: [[small tag]]}
spot: {attempts: 3}
triggers: {push: [push], queue: off, manual: false, schedule: {lock: [cron], bases: [bases]}}
programs:
  version: [version]
  url: [url]
  commit: [commit]
  sha256: {rootfsgen-linux-amd64: [digest], rootfsgen-linux-arm64: [digest], rootfsrun-linux-amd64: [digest], rootfsrun-linux-arm64: [digest]}
network:
  proxy: {http: [proxy], https: [proxy], no: [[no proxy]]}
  mirrors: {[mirrored]: [mirror]}
  logins: [{registry: [login registry], secret: [login secret]}]
identity: {google: {provider: [provider], accounts: {testing: [account]}}}
github: {url: [github url]}
gitlab: {url: [gitlab url], version: [gitlab version]}
jobs:
  - {name: [job], after: manifest, github: [job workflow], secrets: [[job secret]], gitlab: [job hidden], include: [job include]}
`

const hostileImage = `id: [id]
label: [name]
description: [description]
component_version: [component]
image_name: [repository]
image: [reference]
tags: [[people tag]]
owners: [[owner]]
deprecated_reason: [reason]
args: {[arg]: [arg value]}
secrets: {[secret id]: [secret]}
stage: [stage]
runner: [image class]
timeout: [image timeout]
tests: [{name: [test], cmd: [command]}]
`

// harmless are values that every place takes.
var harmless = map[string]string{
	"pr": "r.example.com/pr", "testing": "r.example.com/testing", "prod": "r.example.com/prod", "tags": "v*", "branch": "main", "channels": "rootfsgen/channels",
	"layout": "graph", "runtime": "release", "label": "self-hosted", "label2": "spot", "tag": "spot", "timeout": "2h", "image": "r.example.com/runner@sha256:" + hex,
	"service": "registry", "service image": "r.example.com/registry@sha256:" + hex, "variable": "RETRIES", "variable value": "3", "class": "large",
	"class label": "large", "class tag": "large", "small": "ubuntu-24.04", "small tag": "small", "push": "build", "cron": "1 2 * * 3", "bases": "4 5 * * 6",
	"version": "v1.2.3", "url": "https://example.com/{version}/{program}-{os}-{arch}", "commit": hex[:40], "digest": hex, "proxy": "http://proxy.example.com:3128", "no proxy": ".example.com",
	"mirrored": "docker.io", "mirror": "mirror.example.com/hub", "login registry": "r.example.com", "login secret": "R_LOGIN",
	"provider": "projects/123456789/locations/global/workloadIdentityPools/forges/providers/forge", "account": "rootfs-testing@team-prod.iam.gserviceaccount.com",
	"github url": "https://github.com", "gitlab url": "https://gitlab.example.com", "gitlab version": "18.2",
	"job": "notify", "job workflow": "./.github/workflows/notify.yml", "job secret": "CHAT_TOKEN", "job hidden": ".notify", "job include": "ci/notify.yml",
	"folder": "tool", "id": "tool", "name": "Tool", "description": "What it is for", "component": "1", "repository": "tool", "reference": "r.example.com/tool:1", "people tag": "x", "owner": "team",
	"reason": "", "arg": "VERSION", "arg value": "1", "secret id": "npm", "secret": "NPM_TOKEN", "stage": "", "image class": "large", "image timeout": "1h", "test": "runs", "command": "true",
}

const hex = "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

var spots = slices.Sorted(maps.Keys(harmless))

// nasty is what means something to YAML, to a shell or to a forge.
var nasty = []string{
	"${{ secrets.X }}", "a${{ github.token }}b", "$(id)", "`id`", "$CI_JOB_TOKEN", "${CI_JOB_TOKEN}", "$[id]", "a; id", "a && id", "a | id", "a\nid", "a\r\nid", "\\\nid", "a' || true || '", "a\" || id || \"", "''", "'; id; '",
	"a: b", "a: b\nrun: id", "a #b", "#a", "- a", "? a", "&x", "&x a", "*x", "*", "<<", "!x", "!!binary aWQ=", "%YAML 1.1", "@x", "|", ">", "|-\n  x", "[a]", "{a: b}", "a, b", "]", "}", "---", "...", "--- a", "=",
	"on", "off", "yes", "no", "y", "NO", "ON", "Y", "NULL", "true", "null", "~", "", " ", "1.5", "0x1", "0o7", "1e3", "1_000", "12:30:45", "2026-11-21", ".inf", ".nan", "+1", "-1",
	"\t", "\x00", "\x1b[31m", "\x7f", "\u0085", "\u00a0", "\u2028", "\ufeff", "\u202e", "é", "\xff", "a b", " a", "a ", "--x", "-", ".", "..", "../x", "a/../b", "/etc/passwd", "//", "~/x", "a\\b", "a\\n",
	"::set-output name=a::b", "##[group]x", "<% . %>", "{{ . }}", "%s%n", "\u003c/script\u003e", "GITHUB_TOKEN", "PATH", "LD_PRELOAD", "CI", "__proto__", "default", "workflow", "stages", "include", "plan", "result", "rootfsgen-plan",
	"http://u:p@example.com", "https://example.com/$(id)", "javascript:x", "file:///etc/passwd", strings.Repeat("a", 300), strings.Repeat("a.", 60) + "a",
}

// files are the user's, with a value in one place.
func hostileTree(place, value string) map[string]string {
	fill := func(text string) string {
		for name, v := range harmless {
			if name == place {
				v = value
			}
			quoted, err := json.Marshal(v)
			if err != nil {
				panic(err) // a string always marshals
			}
			text = strings.ReplaceAll(text, "["+name+"]", string(quoted))
		}
		return text
	}
	folder := harmless["folder"]
	if place == "folder" {
		folder = value
	}
	image := hostileImage
	for _, name := range []string{"stage", "reason"} { // which have no harmless text
		if place != name {
			image = strings.ReplaceAll(image, "\n"+map[string]string{"stage": "stage", "reason": "deprecated_reason"}[name]+": ["+name+"]", "")
		}
	}
	if place == "folder" {
		image = strings.ReplaceAll(image, "id: [id]\n", "")
	}
	return map[string]string{
		"rootfsgen.yaml": fill(hostileSettings), "images/" + folder + "/image.yaml": fill(image), "images/" + folder + "/Dockerfile": "FROM scratch\n",
		"images/other/Dockerfile": "FROM scratch\n",
	}
}

// hostilePipeline is what they come to; nil where they are refused.
func hostilePipeline(t *testing.T, place, value string) *pipeline.Pipeline {
	t.Helper()
	fleet, list, err := source.Load(t.Context(), history.Memory(hostileTree(place, value)), source.Options{})
	if err != nil || list.HasErrors() {
		return nil
	}
	p, list, err := pipeline.Layout(fleet, pipeline.Edges{}, pipeline.Options{})
	if err != nil || list.HasErrors() {
		return nil
	}
	return p
}

// hostileFiles is what is generated.
func hostileFiles(t *testing.T, p *pipeline.Pipeline, place, value string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	for _, forge := range []string{pipeline.GitHub, pipeline.GitLab} {
		w, err := render.Write(p, forge, render.DefaultPins())
		if err != nil {
			t.Fatalf("%s %q passed the layout and not the renderer: %v", place, value, err)
		}
		maps.Copy(all, w.Files)
	}
	return all
}

// hostileRules are those of the harmless files.
func hostileRules(place, value string) audit.Rules {
	r := audit.Default()
	r.OutsideEnvironments = append(r.OutsideEnvironments, harmless["login secret"])
	switch place {
	case "login secret":
		r.OutsideEnvironments = append(r.OutsideEnvironments, value)
	case "small": // the machine of the check that closes
		r.Hosted = append(r.Hosted, value)
	}
	return r
}

// withIncluded adds the files that people's own jobs come from, which audits
// want to see.
func withIncluded(files map[string][]byte, p *pipeline.Pipeline) map[string][]byte {
	all := maps.Clone(files)
	for i := range p.Own {
		if name := path.Clean(p.Own[i].Include); p.Own[i].Include != "" && all[name] == nil {
			all[name] = []byte(".own: {}\n")
		}
	}
	return all
}

// inert is what neither a shell nor an expression can take for anything else.
var inert = regexp.MustCompile(`^[A-Za-z0-9_.,/:@%+=*{}-]*$`)

// expected is what the harmless files become.
type expected struct {
	pipeline *pipeline.Pipeline
	files    map[string][]byte
	programs map[string]bool
	shapes   map[string]bool // of programs
}

// check puts a value in a place. It is refused, or it is data; where it is
// audited, too, no hardening is lost by it.
func (x *expected) check(t *testing.T, place, value string, audited bool) (taken bool) {
	t.Helper()
	p := hostilePipeline(t, place, value)
	if p == nil || reflect.DeepEqual(p, x.pipeline) { // then it gets nowhere
		return p != nil
	}
	files := hostileFiles(t, p, place, value)
	same := true
	for name, text := range files {
		if bytes.Equal(body(text), body(x.files[name])) {
			continue
		}
		same = false
		if err := oneReading(name, text); err != nil {
			t.Fatalf("%s %q: %s: %v\n%s", place, value, name, err, text)
		}
		for _, s := range programs(t, name, text) {
			if !x.programs[s] && !x.shapes[shape(s)] && !inert.MatchString(value) {
				t.Fatalf("%s %q: %s: it is part of a program:\n%s", place, value, name, s)
			}
		}
	}
	if !same && audited {
		found, err := audit.Check(withIncluded(files, p), hostileRules(place, value))
		found = slices.DeleteFunc(found, func(f audit.Finding) bool { // what a warning has said
			written := place == "variable value" && strings.HasSuffix(f.Audit, "-credentials") // a password, by somebody's own hand
			return written || strings.HasSuffix(place, "image") && strings.HasSuffix(f.Audit, "-images")
		})
		if err != nil || len(found) > 0 {
			t.Fatalf("%s %q: %v %v", place, value, err, found)
		}
	}
	return true
}

// body is a file without the lines at its top that say where it comes from.
func body(text []byte) []byte {
	for bytes.HasPrefix(text, []byte("#")) {
		_, text, _ = bytes.Cut(text, []byte("\n"))
	}
	return text
}

// word is a run of what neither a shell nor an expression can take for
// anything else.
var word = regexp.MustCompile(`[A-Za-z0-9_.,/:@%+=*-]+`)

// shape is a program with all its words alike: whatever a value was made to,
// it is a word in a place of a word.
func shape(program string) string {
	if strings.HasPrefix(program, "${{") {
		program = literal.ReplaceAllString(program, "w") // which cannot end before its quote
	}
	return word.ReplaceAllString(program, "w")
}

var literal = regexp.MustCompile(`'(?:[^']|'')*'`)

// oneReading is an error where another YAML reader, or GitHub's grammar, sees
// something else than what the renderer has compared.
func oneReading(name string, text []byte) error {
	var first, second any
	if err := yaml3.Unmarshal(text, &first); err != nil {
		return err
	}
	if err := yaml.Unmarshal(text, &second); err != nil {
		return err
	}
	if a, b := plain(first), plain(second); !reflect.DeepEqual(a, b) {
		return fmt.Errorf("two readers see\n%v\nand\n%v", a, b)
	}
	f, err := parser.ParseBytes(text, 0)
	if err != nil || len(f.Docs) != 1 {
		return fmt.Errorf("%d documents, %w", len(f.Docs), err)
	}
	var odd oddities
	ast.Walk(&odd, f.Docs[0].Body)
	if odd.err != nil {
		return odd.err
	}
	if strings.HasPrefix(name, ".github/workflows/") {
		if _, errs := actionlint.Parse(text); len(errs) > 0 {
			return errs[0]
		}
	}
	return nil
}

// plain makes the numbers and mappings of two readers alike.
func plain(v any) any {
	switch v := v.(type) {
	case map[string]any:
		out := map[string]any{}
		for k, e := range v {
			out[k] = plain(e)
		}
		return out
	case []any:
		out := []any{}
		for _, e := range v {
			out = append(out, plain(e))
		}
		return out
	case int, int64, uint64:
		return fmt.Sprint("number ", v)
	}
	return v
}

// oddities looks for what no generated file has.
type oddities struct{ err error }

// Visit implements ast.Visitor.
func (o *oddities) Visit(n ast.Node) ast.Visitor {
	switch n.(type) {
	case *ast.AnchorNode, *ast.AliasNode, *ast.TagNode, *ast.MergeKeyNode, *ast.DirectiveNode:
		o.err = fmt.Errorf("line %d: %s", n.GetToken().Position.Line, n.Type())
	}
	return o
}

var anExpression = regexp.MustCompile(`(?s)\$\{\{.*?\}\}`)

// programs are what a forge evaluates or hands to a shell: expressions,
// scripts and GitLab's conditions.
func programs(t *testing.T, name string, text []byte) []string {
	t.Helper()
	var doc any
	if err := yaml.Unmarshal(text, &doc); err != nil {
		t.Fatal(err)
	}
	var all []string
	var look func(key string, v any)
	look = func(key string, v any) {
		switch v := v.(type) {
		case map[string]any:
			for k, e := range v {
				all = append(all, anExpression.FindAllString(k, -1)...)
				look(k, e)
			}
		case []any:
			for _, e := range v {
				look(key, e)
			}
		case string:
			all = append(all, anExpression.FindAllString(v, -1)...)
			if key == "run" || key == "script" || key == "if" && strings.HasPrefix(name, ".gitlab") || key == "shell" || key == "uses" {
				all = append(all, v)
			}
			if strings.Contains(v, "${{") && !anExpression.MatchString(v) {
				t.Fatalf("%s: %q begins an expression", name, v)
			}
		}
	}
	look("", doc)
	return all
}

func newExpected(t *testing.T) *expected {
	t.Helper()
	x := &expected{pipeline: hostilePipeline(t, "", ""), programs: map[string]bool{}, shapes: map[string]bool{}}
	if x.pipeline == nil {
		_, list, err := source.Load(t.Context(), history.Memory(hostileTree("", "")), source.Options{})
		t.Fatal("the harmless files are refused", list, err)
	}
	x.files = hostileFiles(t, x.pipeline, "", "")
	for name, text := range x.files {
		for _, s := range programs(t, name, text) {
			x.programs[s], x.shapes[shape(s)] = true, true
		}
	}
	found, err := audit.Check(withIncluded(x.files, x.pipeline), hostileRules("", ""))
	if err != nil || len(found) > 0 {
		t.Fatal(err, found)
	}
	return x
}

// TestHostileValues puts every nasty value in every place.
func TestHostileValues(t *testing.T) {
	t.Parallel()
	x := newExpected(t)
	// Where anything may stand; elsewhere nearly everything is refused.
	free := []string{"description", "owner", "name", "arg value", "command"}
	for _, place := range spots {
		t.Run(place, func(t *testing.T) {
			t.Parallel()
			taken := 0
			for _, value := range nasty {
				if x.check(t, place, value, false) {
					taken++
				}
			}
			if harmless[place] != "" && !x.check(t, place, harmless[place], false) {
				t.Errorf("even %q is refused", harmless[place])
			}
			if slices.Contains(free, place) && taken < len(nasty)/2 {
				t.Errorf("only %d of %d values are taken: the test shows nothing", taken, len(nasty))
			}
		})
	}
}

// FuzzHostile looks for values that the table has not.
func FuzzHostile(f *testing.F) {
	for i, place := range spots {
		f.Add(uint8(i), harmless[place])
		f.Add(uint8(i), nasty[i%len(nasty)])
	}
	var x *expected
	f.Fuzz(func(t *testing.T, n uint8, value string) {
		if x == nil {
			x = newExpected(t)
		}
		x.check(t, spots[int(n)%len(spots)], value, true)
	})
}

// TestHostilePlaces keeps the table and the files together.
func TestHostilePlaces(t *testing.T) {
	t.Parallel()
	for _, place := range spots {
		if place != "folder" && !strings.Contains(hostileSettings+hostileImage, "["+place+"]") {
			t.Errorf("no file has a place %q", place)
		}
	}
}
