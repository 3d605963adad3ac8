package audit

import (
	"fmt"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"
)

var identityAudits = []Audit{
	{Name: "oidc-by-name", Doc: "What trusts the forge's tokens compares the number of the repository: a name can be given to somebody else, and a subject has a name in it.", guides: oidcByName},
}

// guides are the texts that tell people how to set a trust up.
type guides struct {
	texts  map[string][]byte // by path
	report func(Finding)
}

func readGuides(files map[string][]byte) *guides {
	g := &guides{texts: map[string][]byte{}}
	for name, text := range files {
		if path.Ext(name) == ".md" || path.Ext(name) == ".sh" || path.Ext(name) == ".tf" {
			g.texts[name] = text
		}
	}
	return g
}

var (
	condition   = regexp.MustCompile(`attribute[-_]condition\s*=\s*(.*)`)
	byNumber    = regexp.MustCompile(`\bassertion\.(?:repository_id|repository_owner_id|project_id|namespace_id)\s*==\s*['"\\]*[A-Z0-9_$]`)
	byOtherName = regexp.MustCompile(`\bassertion\.(?:sub|repository|repository_owner|project_path|namespace_path)\b`)
)

func oidcByName(g *guides) {
	for _, name := range slices.Sorted(maps.Keys(g.texts)) {
		number := 0
		for line := range strings.Lines(string(g.texts[name])) {
			number++
			m := condition.FindStringSubmatch(line)
			if m != nil && (!byNumber.MatchString(m[1]) || byOtherName.MatchString(m[1])) {
				g.report(Finding{File: name, Line: number, Message: fmt.Sprintf("the trust goes by a name: %.80s", strings.TrimSpace(m[1]))})
			}
		}
	}
}
