package key

import (
	"strings"
	"testing"
)

func TestRedact(t *testing.T) {
	t.Parallel()
	for given, want := range map[string]string{
		"RUN make":                              "RUN make",
		"ENV PATH=/bin":                         "ENV PATH=/bin",
		"ENV GITHUB_TOKEN=abc":                  "ENV GITHUB_TOKEN=(hidden)",
		"ENV GITHUB_TOKEN abc def":              "ENV GITHUB_TOKEN (hidden)",
		"ENV github_token=$TOKEN":               "ENV github_token=$TOKEN",
		`ENV PATH=/bin DB_PASSWORD="a b" X=1`:   `ENV PATH=/bin DB_PASSWORD=(hidden) X=1`,
		`ARG API_KEY='a b'`:                     "ARG API_KEY=(hidden)",
		"RUN curl https://me:secret@host/x":     "RUN curl https://(hidden)@host/x",
		"RUN curl https://host/a@b":             "RUN curl https://host/a@b",
		"ENV AUTHOR=me":                         "ENV AUTHOR=me",
		"RUN --mount=type=secret,id=token make": "RUN --mount=type=secret,id=token make",
	} {
		if got := Redact(given); got != want {
			t.Errorf("Redact(%q) = %q, want %q", given, got, want)
		}
	}
}

// No reason repeats what was given to a secret name.
func TestDiffKeepsSecrets(t *testing.T) {
	t.Parallel()
	form := func(value string) Form {
		return Form{
			{Kind: LineInstruction, Name: "1", Value: "ENV API_TOKEN=" + value},
			{Kind: LineArgument, Name: "DB_PASSWORD", Value: value},
		}
	}
	reasons := Diff(form("hunter2"), form("swordfish"))
	if len(reasons) != 2 {
		t.Fatalf("reasons %v", reasons)
	}
	for _, r := range reasons {
		if strings.Contains(r.Old+r.New+r.Detail, "hunter2") || strings.Contains(r.Old+r.New+r.Detail, "swordfish") {
			t.Errorf("the value is in %+v", r)
		}
	}
}

// Every kind of line is explained, and people see no secret.
func TestGroups(t *testing.T) {
	t.Parallel()
	var f Form
	for _, kind := range kinds {
		f = append(f, Line{Kind: kind, Name: "TOKEN", Value: "TOKEN=hunter2"}, Line{Kind: kind, Name: "X", Value: "1", Path: "a/X"})
	}
	groups := f.Groups()
	if len(groups) != len(kinds) {
		t.Fatalf("%d groups of %d kinds", len(groups), len(kinds))
	}
	for _, g := range groups {
		if g.About == "" || len(g.Lines) != 2 {
			t.Errorf("group %+v", g)
		}
		secret := g.Kind == LineArgument || g.Kind == LineInstruction
		if shown := g.Lines[0].Shown(); secret == strings.Contains(shown, "hunter2") {
			t.Errorf("%s is shown as %q", g.Kind, shown)
		}
	}
}
