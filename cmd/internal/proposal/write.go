package proposal

import (
	"fmt"
	"strconv"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// schemaBase is where the schemas are published.
const schemaBase = "https://raw.githubusercontent.com/rootfsgen/rootfsgen/main/schema/"

// settings is the rootfsgen.yaml that is written: what was found, and the
// essentials as comments that become true when the "# " is removed.
func (d *draft) settings() []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# yaml-language-server: $schema=%srootfsgen.json\n", schemaBase)
	b.WriteString("version: 1\n\n")
	mark := "# "
	if d.listed {
		mark = ""
		b.WriteString("# Which folders are images, and how they are named.\n")
	} else {
		b.WriteString("# Which folders are images, and how they are named. This is the default.\n")
	}
	fmt.Fprintf(&b, "%simages:\n", mark)
	for _, r := range d.Roots {
		writeRoot(&b, mark, r)
	}
	d.writeReferences(&b)
	b.WriteString(rest)
	return []byte(b.String())
}

func writeRoot(b *strings.Builder, mark string, r model.Root) {
	fmt.Fprintf(b, "%s  - root: %s\n", mark, scalar(r.Root))
	if r.Pattern != "" {
		fmt.Fprintf(b, "%s    pattern: %s\n", mark, quoted(r.Pattern))
	}
	for _, list := range []struct {
		key   string
		items []string
	}{{"dockerfiles", r.Dockerfiles}, {"exclude", r.Exclude}} {
		if len(list.items) == 0 {
			continue
		}
		fmt.Fprintf(b, "%s    %s:\n", mark, list.key)
		for _, e := range list.items {
			fmt.Fprintf(b, "%s      - %s\n", mark, quoted(e))
		}
	}
}

// writeReferences says what the references mean.
func (d *draft) writeReferences(b *strings.Builder) {
	if d.ownRepositories() {
		b.WriteString("\n# What begins a reference to an image of this repository; \"\" is a bare name.\n# The addresses of registry: belong here, too.\n")
		if len(d.Repositories) == 0 {
			b.WriteString("repositories: []\n")
		} else {
			b.WriteString("repositories:\n")
		}
		for _, p := range d.Repositories {
			fmt.Fprintf(b, "  - %s\n", quoted(p))
		}
	}
	if len(d.References) > 0 {
		b.WriteString("\n# Which folders other references mean; without a folder, an image from outside.\nreferences:\n")
	}
	for _, r := range d.References {
		fmt.Fprintf(b, "  - match: %s\n", single(r.Match))
		if len(r.Folders) > 0 {
			b.WriteString("    folder:\n")
		}
		for _, f := range r.Folders {
			fmt.Fprintf(b, "      - %s\n", quoted(f))
		}
		if len(r.Map) > 0 {
			b.WriteString("    map:\n")
		}
		for _, group := range sortedKeys(r.Map) {
			fmt.Fprintf(b, "      %s:\n", group)
			for _, value := range sortedKeys(r.Map[group]) {
				fmt.Fprintf(b, "        %s: %s\n", quoted(value), quoted(r.Map[group][value]))
			}
		}
	}
	if len(d.Args) > 0 {
		b.WriteString("\n# Values for arguments that stand in a FROM and have no default.\nargs:\n")
		for _, name := range sortedKeys(d.Args) {
			fmt.Fprintf(b, "  %s: %s\n", name, quoted(d.Args[name]))
		}
	}
}

func quoted(s string) string { return strconv.Quote(s) }

// single is a string in single quotes: in an expression backslashes stay what
// they are.
func single(s string) string { return "'" + strings.ReplaceAll(s, "'", "''") + "'" }

// scalar is a string as YAML, quoted unless it is a plain word to every YAML
// reader.
func scalar(s string) string {
	if len(s) > 1 && strings.Trim(s, "abcdefghijklmnopqrstuvwxyz/") == "" && s != "null" && s != "true" && s != "false" && s != "yes" && s != "no" && s != "on" && s != "off" {
		return s
	}
	return quoted(s)
}

const rest = `
# Where images go: requests, the default branch and releases each have their
# own address, and nothing is reused across them.
# registry:
#   pr: registry.example.com/team/pr
#   testing: registry.example.com/team/testing
#   prod: registry.example.com/team/prod

# The branch that is built, the tags that release, and the forges that
# pipelines are generated for.
# default_branch: main
# release:
#   tags: "v*"
# forges: [github, gitlab]

# Machines, by class: labels for GitHub, tags for GitLab.
# runners:
#   spot-amd64:
#     github: [self-hosted, linux, x64, spot]
#     gitlab: [linux, amd64, spot]
#   spot-arm64:
#     github: [self-hosted, linux, arm64, spot]
#     gitlab: [linux, arm64, spot]
`
