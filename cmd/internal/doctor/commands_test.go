package doctor_test

import (
	"encoding/json"
	"maps"
	"slices"
	"strings"
	"testing"

	"mvdan.cc/sh/v3/syntax"

	"github.com/rootfsgen/rootfsgen/cmd/internal/doctor"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/forge"
)

// manual is what a command takes, as its manual page says. A flag is true where
// it has a value.
type manual struct {
	flags     map[string]bool
	arguments int // how many there may be
}

// api are the flags that gh and glab have in common for "api".
var api = map[string]bool{
	"-X": true, "--method": true, "-f": true, "--raw-field": true, "-F": true, "--field": true, "-H": true, "--header": true,
	"--input": true, "--hostname": true, "--paginate": false, "-i": false, "--include": false, "--silent": false,
}

// manuals are of gh (pkg/cmd in cli/cli) and glab (docs.gitlab.com/cli), as they
// were in November 2026. -R comes from the command above where a command works on a repository.
var manuals = map[string]manual{
	"gh api":               {flags: with(api, "-q", "--jq", "-t", "--template"), arguments: 1},
	"gh repo unarchive":    {flags: map[string]bool{"-y": false, "--yes": false}, arguments: 1},
	"gh secret set":        {flags: of("-a", "--app", "-b", "--body", "-e", "--env", "-f", "--env-file", "-o", "--org", "-r", "--repos", "-v", "--visibility", "-R", "--repo"), arguments: 1},
	"gh variable set":      {flags: of("-b", "--body", "-e", "--env", "-f", "--env-file", "-o", "--org", "-r", "--repos", "-v", "--visibility", "-R", "--repo"), arguments: 1},
	"gh variable delete":   {flags: of("-e", "--env", "-o", "--org", "-R", "--repo"), arguments: 1},
	"gh workflow enable":   {flags: of("-R", "--repo"), arguments: 1},
	"glab api":             {flags: api, arguments: 1},
	"glab variable set":    {flags: with(switches("--masked", "-m", "--protected", "-p", "--raw", "-r", "--hidden"), "-d", "--description", "-g", "--group", "-s", "--scope", "-t", "--type", "-v", "--value", "-R", "--repo"), arguments: 2},
	"glab variable update": {flags: with(switches("--masked", "-m", "--protected", "-p", "--raw", "-r"), "-d", "--description", "-g", "--group", "-s", "--scope", "-t", "--type", "-v", "--value", "-R", "--repo"), arguments: 2},
	"glab variable delete": {flags: of("-g", "--group", "-s", "--scope", "-R", "--repo"), arguments: 1},
	"glab schedule create": {flags: with(switches("--active"), "--cron", "--cronTimeZone", "--description", "--ref", "--variable", "-R", "--repo")},
}

func of(flags ...string) map[string]bool { return with(nil, flags...) }

func with(some map[string]bool, more ...string) map[string]bool {
	out := map[string]bool{}
	maps.Copy(out, some)
	for _, flag := range more {
		out[flag] = true
	}
	return out
}

func switches(flags ...string) map[string]bool {
	out := map[string]bool{}
	for _, flag := range flags {
		out[flag] = false
	}
	return out
}

// TestCommandsAreInTheManual holds every command that mends something against
// what the programs document: its name, its flags, and how many arguments it
// takes.
func TestCommandsAreInTheManual(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for _, line := range everyCommand(t) {
		file, err := syntax.NewParser(syntax.Variant(syntax.LangBash)).Parse(strings.NewReader(line), "")
		if err != nil {
			if strings.HasPrefix(line, "gh ") || strings.HasPrefix(line, "glab ") || strings.HasPrefix(line, "echo ") {
				t.Errorf("%v: %s", err, line)
			}
			continue // a sentence
		}
		syntax.Walk(file, func(n syntax.Node) bool {
			if call, is := n.(*syntax.CallExpr); is {
				checkCall(t, line, words(call), seen)
			}
			return true
		})
	}
	for _, command := range slices.Sorted(maps.Keys(manuals)) {
		if !seen[command] {
			t.Errorf("%s is printed nowhere", command)
		}
	}
}

// words are those of a call, without their quotes; what a shell makes of them
// is not known.
func words(call *syntax.CallExpr) []string {
	var out []string
	for _, w := range call.Args {
		var b strings.Builder
		for _, part := range w.Parts {
			switch part := part.(type) {
			case *syntax.Lit:
				b.WriteString(part.Value)
			case *syntax.SglQuoted:
				b.WriteString(part.Value)
			case *syntax.DblQuoted:
				for _, inner := range part.Parts {
					if lit, is := inner.(*syntax.Lit); is {
						b.WriteString(lit.Value)
					}
				}
			}
		}
		out = append(out, b.String())
	}
	return out
}

func checkCall(t *testing.T, line string, args []string, seen map[string]bool) {
	t.Helper()
	if len(args) > 1 && args[0] == "echo" && strings.HasPrefix(args[1], "{") && !json.Valid([]byte(strings.ReplaceAll(args[1], `"id":ID`, `"id":1`))) {
		t.Errorf("it is no JSON: %s", line)
	}
	if len(args) < 2 || args[0] != "gh" && args[0] != "glab" {
		return
	}
	name := args[0] + " " + args[1]
	rest := args[2:]
	if args[1] != "api" && len(rest) > 0 {
		name, rest = name+" "+rest[0], rest[1:]
	}
	m, known := manuals[name]
	if !known {
		t.Errorf("there is no %q: %s", name, line)
		return
	}
	seen[name] = true
	positional := 0
	for i := 0; i < len(rest); i++ {
		arg := rest[i]
		if !strings.HasPrefix(arg, "-") || arg == "-" {
			positional++
			continue
		}
		valued, known := m.flags[arg]
		if !known {
			t.Errorf("%s has no %s: %s", name, arg, line)
		}
		if !valued {
			continue
		}
		if i++; i == len(rest) {
			t.Errorf("%s has no value: %s", arg, line)
			return
		}
		checkValue(t, line, name, arg, rest[i])
	}
	if positional > m.arguments || positional == 0 && m.arguments > 0 {
		t.Errorf("%d arguments of %d: %s", positional, m.arguments, line)
	}
}

func checkValue(t *testing.T, line, command, flag, value string) {
	t.Helper()
	switch flag {
	case "-X":
		if !slices.Contains([]string{"GET", "POST", "PUT", "PATCH", "DELETE"}, value) {
			t.Errorf("%s is no method: %s", value, line)
		}
	case "-f", "-F":
		key, _, is := strings.Cut(value, "=")
		if command == "glab api" && strings.ContainsAny(key, "[]") {
			t.Errorf("glab makes no lists of fields' names, as gh does: %s", line)
		}
		if !is {
			t.Errorf("%q is no field: %s", value, line)
		}
	}
}

// everyCommand is what is printed for repositories that are set up badly, each
// in another way.
func everyCommand(t *testing.T) []string {
	t.Helper()
	var out []string
	for _, spoil := range []func(*repository, *doctor.Forge){
		func(*repository, *doctor.Forge) {},
		func(r *repository, _ *doctor.Forge) {
			*r = repository{repository: forge.Repository{DefaultBranch: "main"}}
		},
		func(r *repository, _ *doctor.Forge) { r.repository.Archived, r.repository.Fork = true, true },
		func(r *repository, _ *doctor.Forge) {
			r.environments[0].Approvals, r.environments[1].Restrict = false, false
		},
		func(r *repository, _ *doctor.Forge) {
			r.environments[0].Branches, r.environments[0].Tags = []string{"*"}, []string{"*", "v1*"}
			r.outsiders = "first_time_contributors"
		},
		func(r *repository, f *doctor.Forge) {
			for i := range r.variables {
				r.variables[i].Secret, r.variables[i].Protected, r.variables[i].Scope = false, false, "*"
			}
			f.Settings.Judging = model.Judging{On: true}
		},
		func(r *repository, f *doctor.Forge) {
			for i := range r.schedules {
				r.schedules[i].Active = false
			}
			f.Settings.Channels.Promotion, f.Settings.ChannelBranch = model.PromotionRequest, "ch"
		},
		func(r *repository, f *doctor.Forge) {
			for i := range r.schedules {
				r.schedules[i].Ref = "old"
			}
			f.Settings.Network.Logins = nil
			f.Settings.Registry.PR, f.Settings.Registry.Prod = "r.example.com/pr", "r.example.com/prod"
		},
	} {
		for _, on := range []string{forge.GitHub, forge.GitLab} {
			r, f := good(on)
			spoil(r, f)
			for _, x := range f.Look(t.Context()) {
				out = append(out, x.Mend...)
			}
		}
	}
	return out
}
