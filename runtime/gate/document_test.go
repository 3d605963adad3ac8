package gate_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// contract is the document as other programs write it.
const contract = `{"version": 1, "scans": [{"image": "python", "platform": "linux/amd64", "digest": "DIGEST", "source": "local",
  "state": "finished", "time": "2026-11-21T09:00:00Z", "findings": [{"id": "CVE-2026-1234", "aliases": [], "purl": "pkg:deb/debian/openssl@3.0.1",
  "fixed": "3.0.2", "severity": "HIGH", "kev": false, "epss": 0.02, "vex": ""}]}]}`

func document() string { return strings.Replace(contract, "DIGEST", digest.String(), 1) }

func TestReadScans(t *testing.T) {
	t.Parallel()
	scans, list := gate.ReadScans("f.json", []byte(document()))
	want := []model.Scan{{
		Image: "python", Platform: "linux/amd64", Digest: digest, Source: "local", State: "finished", Time: "2026-11-21T09:00:00Z",
		Findings: []model.Finding{{ID: "CVE-2026-1234", Aliases: []string{}, PURL: "pkg:deb/debian/openssl@3.0.1", Fixed: "3.0.2", Severity: "HIGH", EPSS: 0.02}},
	}}
	if d := cmp.Diff(want, scans); d != "" || len(list) > 0 {
		t.Errorf("%v (-want +got):\n%s", list, d)
	}
	again, err := json.Marshal(model.Scans{Version: 1, Scans: []model.Scan{scan(low, high)}})
	if err != nil {
		t.Fatal(err)
	}
	if scans, list = gate.ReadScans("f.json", again); len(list) > 0 || cmp.Diff([]model.Scan{scan(low, high)}, scans) != "" {
		t.Errorf("what this program writes is refused: %v", list)
	}
	if scans, list = gate.ReadScans("f.json", []byte(`{"version":1,"scans":[]}`)); scans == nil || len(list) > 0 {
		t.Errorf("no scans: %v, %v", scans, list)
	}
}

// TestMalformedFindings: none of these may ever pass.
func TestMalformedFindings(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ old, replacement, want string }{
		{document(), ``, "no document of findings"},
		{document(), `null`, "its version is 0"},
		{document(), `[]`, "no document of findings"},
		{document(), `{}`, "its version is 0"},
		{document(), `{"version": 1}`, "it has no list of scans"},
		{document(), `{"version": 1, "scans": null}`, "it has no list of scans"},
		{`"version": 1`, `"version": 2`, "its version is 2"},
		{`"version": 1`, `"version": "1"`, "cannot unmarshal string"},
		{`}]}]}`, `}]}]`, "no document of findings"},
		{`}]}]}`, `}]}]} {}`, "something behind the document"},
		{`"version": 1`, `"version": 1, "version": 1`, `the key "version" is there twice`},
		{`"state": "finished"`, `"state": "failed", "state": "finished"`, `the key "state" is there twice`},
		{`"state": "finished"`, `"State": "finished"`, `unknown key "State"`},
		{`"state": "finished"`, `"st\u0061te": "finished"`, "unknown key"},
		{`"kev": false`, `"kevv": true`, `unknown field "kevv"`},
		{`"kev": false`, `"kev": "false"`, "cannot unmarshal string"},
		{`"state": "finished"`, `"state": "done"`, `state: "done" is not one of`},
		{`"state": "finished", `, ``, `state: "" is not one of`},
		{`"time": "2026-11-21T09:00:00Z", `, ``, "time:"},
		{`"2026-11-21T09:00:00Z"`, `"2026-11-21"`, "time:"},
		{`"source": "local"`, `"source": ""`, "it has no source"},
		{`"source": "local"`, `"source": "local", "database": "v6"`, "database:"},
		{`"image": "python", `, ``, "it has no image"},
		{`linux/amd64`, `linux/386`, "platform:"},
		{digest.String(), `sha256:1`, "digest:"},
		{digest.String(), ``, "digest:"},
		{`"findings": [`, `"findings": null, "x": [`, "unknown field"},
		{`"severity": "HIGH"`, `"severity": "SEVERE"`, `severity: "SEVERE" is not one of`},
		{`"severity": "HIGH", `, ``, `severity: "" is not one of`},
		{`"severity": "HIGH"`, `"severity": null`, `severity: "" is not one of`},
		{`"id": "CVE-2026-1234"`, `"id": ""`, "it has no id"},
		{`"purl": "pkg:deb/debian/openssl@3.0.1"`, `"purl": ""`, "names no package"},
		{`"epss": 0.02`, `"epss": 2`, "epss: 2 is not between"},
		{`"epss": 0.02`, `"cvss": 11`, "cvss: 11 is not between"},
		{`"vex": ""`, `"vex": "fine"`, `vex: "fine" is not one of`},
		{`"vex": ""`, `"kind": "licence"`, `kind: "licence" is not one of`},
		{`"vex": ""`, `"layer": "sha256:1"`, "layer:"},
		{`"vex": ""`, `"provider": "severe"`, "provider:"},
	} {
		text := strings.Replace(document(), c.old, c.replacement, 1)
		scans, list := gate.ReadScans("f.json", []byte(text))
		if scans != nil || !list.HasErrors() || !strings.Contains(fmt.Sprint(list), c.want) {
			t.Errorf("%s -> %s: want %q, got %v, %v", c.old, c.replacement, c.want, scans, list)
		}
	}
	null := strings.Replace(document(), document()[strings.Index(document(), `"findings": [`):], `"findings": null}]}`, 1)
	if _, list := gate.ReadScans("f.json", []byte(null)); !strings.Contains(fmt.Sprint(list), "no list of findings") {
		t.Errorf("no findings: %v", list)
	}
	_, list := gate.ReadScans("f.json", []byte("{\n  \"version\": 1,\n  \"scans\": [}\n"))
	if len(list) != 1 || list[0].Pos.String() != "f.json:3:14" {
		t.Errorf("where it is: %v", list)
	}
	many := `{"version":1,"scans":[` + strings.Repeat(`{},`, 200) + `{}]}`
	if _, list = gate.ReadScans("f.json", []byte(many)); len(list) != 101 {
		t.Errorf("%d mistakes are said", len(list))
	}
}
