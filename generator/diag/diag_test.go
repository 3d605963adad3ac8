package diag

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func sample() List {
	var l List
	l.Warnf("unused", Pos{File: "b.yaml"}, "", "nobody reads this")
	l.Errorf("unknown-key", Pos{File: "a.yaml", Line: 2, Col: 3, EndCol: 6}, `did you mean "arch"?`, "unknown key %q", "ach")
	l.Errorf("unknown-key", Pos{File: "a.yaml", Line: 2, Col: 3, EndCol: 6}, `did you mean "arch"?`, "unknown key %q", "ach")
	return l
}

func TestText(t *testing.T) {
	t.Parallel()
	l := sample().Sorted().WithLines(func(string) []byte { return []byte("id: x\r\n\tid: y\r\n") })
	var b strings.Builder
	if err := l.Print(&b, "text", false); err != nil {
		t.Fatal(err)
	}
	want := "a.yaml:2:3: error: unknown key \"ach\" [unknown-key]\n" +
		" 2 | \tid: y\n" +
		"   | \t ^~~\n" +
		"  hint: did you mean \"arch\"?\n" +
		"b.yaml: warning: nobody reads this [unused]\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestCaretStandsUnderItsPlace(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		line     string
		col, end int
		want     string
	}{
		{"key: value", 1, 4, "^~~"},
		{"\tkey: value", 2, 5, "\t^~~"},
		{"key: value", 6, 0, "     ^"},
		{"å: b", 5, 6, "   ^"},
		{"short", 99, 120, "     ^"},
	} {
		d := Diagnostic{Line: c.line, Pos: Pos{Line: 1, Col: c.col, EndCol: c.end}}
		if got := d.caret(); got != c.want {
			t.Errorf("%q col %d: got %q, want %q", c.line, c.col, got, c.want)
		}
	}
}

func TestControlCharactersStayOffTheTerminal(t *testing.T) {
	t.Parallel()
	var l List
	l.Errorf("r", Pos{File: "f", Line: 1, Col: 1}, "", "bad \x1b[31m name")
	l[0].Line = "\x1b]0;title\x07"
	var b strings.Builder
	if err := l.Print(&b, "text", false); err != nil {
		t.Fatal(err)
	}
	if strings.ContainsAny(b.String(), "\x1b\x07") {
		t.Errorf("an escape sequence passed: %q", b.String())
	}
}

func TestWorkflowCommandsAreEscaped(t *testing.T) {
	t.Parallel()
	var l List
	l.Errorf("r", Pos{File: "a,b:c%", Line: 3, Col: 1}, "two\nlines", "%s", "100%\r\n::set-output name=x::y")
	var b strings.Builder
	if err := l.Print(&b, "github", false); err != nil {
		t.Fatal(err)
	}
	want := "::error file=a%2Cb%3Ac%25,line=3,col=1,title=r::100%25%0D%0A::set-output name=x::y%0Ahint: two%0Alines\n"
	if d := cmp.Diff(want, b.String()); d != "" {
		t.Error(d)
	}
}

func TestCodeQuality(t *testing.T) {
	t.Parallel()
	var b strings.Builder
	if err := sample().Print(&b, "gitlab", false); err != nil {
		t.Fatal(err)
	}
	var got []issue
	if err := json.Unmarshal([]byte(b.String()), &got); err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Severity != "major" || got[1].Location.Lines.Begin != 1 || got[0].Fingerprint == got[1].Fingerprint {
		t.Errorf("got %+v", got)
	}
}

func TestErr(t *testing.T) {
	t.Parallel()
	if err := (List{{Severity: Warning}}).Err(); err != nil {
		t.Errorf("warnings are an error: %v", err)
	}
	if err := sample().Err(); err == nil || !strings.Contains(err.Error(), "a.yaml:2:3") {
		t.Errorf("got %v", err)
	}
}
