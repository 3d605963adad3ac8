package fuzz

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/policy"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
)

// FuzzPolicy holds that no policy lets pass what nobody has scanned, or what is
// malicious.
func FuzzPolicy(f *testing.F) {
	seeds(f, "generator/policy/testdata/*/scan-policy.yaml", "generator/policy/first.yaml")
	hard(f)
	f.Fuzz(func(t *testing.T, content []byte) {
		p, list := policy.Parse("scan-policy.yaml", content)
		places(t, list, "scan-policy.yaml", content)
		if list.HasErrors() {
			return
		}
		if _, list := policy.Parse("scan-policy.yaml", unknown(content)); !list.HasErrors() {
			t.Error("a key that nothing knows is taken")
		}
		for _, x := range p.Exceptions {
			if x.Owner == x.ApprovedBy || x.Expires < x.Created || x.Reason == "" {
				t.Errorf("an exception that nobody may make: %+v", x)
			}
		}
		if p.State.MaxAge <= 0 || len(p.Sources) == 0 || p.Mode == "" || len(p.MaxLifetime) < 6 {
			t.Errorf("a default is missing: %+v", p)
		}
		now := time.Date(2026, 11, 21, 0, 0, 0, 0, time.UTC)
		target, digest := model.TargetID{Image: "a", Tag: "1", Platform: model.LinuxAMD64}, model.DigestOf(nil)
		if v := gate.Judge(p, now, target, digest, nil, gate.Where{}); v.Outcome != model.VerdictIncomplete {
			t.Errorf("without a scan: %s", v.Outcome)
		}
		for _, state := range model.ScanStates() {
			if state == model.ScanFinished {
				continue
			}
			s := model.Scan{Digest: digest, Source: p.Sources[0].Name, State: state, Time: now.Format(time.RFC3339)}
			if v := gate.Judge(p, now, target, digest, []model.Scan{s}, gate.Where{}); v.Outcome == model.VerdictPass {
				t.Errorf("a scan that is %s passes", state)
			}
		}
	})
}

// FuzzFindings holds that what is taken is read back as it was, and that the
// reports of it are well-formed.
func FuzzFindings(f *testing.F) {
	f.Add([]byte(`{"version":1,"scans":[{"image":"a","platform":"linux/amd64","digest":"sha256:` + string(bytes.Repeat([]byte("a"), 64)) +
		`","source":"local","state":"finished","time":"2026-11-21T09:00:00Z","findings":[{"id":"CVE-1","aliases":["b"],"purl":"pkg:deb/a@1","fixed":"2","severity":"HIGH","kev":true,"epss":0.1,"vex":""}]}]}`))
	f.Add([]byte(`{"version":1,"scans":[]}`))
	f.Add([]byte(`{"version":1,"version":1,"scans":[{"state":"\ud800","State":"finished"}]} x`))
	f.Fuzz(func(t *testing.T, content []byte) {
		scans, list := gate.ReadScans("f.json", content)
		places(t, list, "f.json", content)
		if list.HasErrors() != (scans == nil) {
			t.Fatalf("%v, and %d scans", list, len(scans))
		}
		if scans == nil {
			return
		}
		again, err := json.Marshal(model.Scans{Version: model.ScanVersion, Scans: scans})
		if err != nil {
			t.Fatal(err)
		}
		same, list := gate.ReadScans("f.json", again)
		if list.HasErrors() || len(same) != len(scans) {
			t.Fatalf("what is written cannot be read: %v\n%s", list, again)
		}
		for i := range same {
			if !bytes.Equal(same[i].Document(), scans[i].Document()) {
				t.Errorf("writing it again gives another scan: %s, %s", same[i].Document(), scans[i].Document())
			}
		}
		subjects := gate.JudgeAll(policy.Default(), time.Date(2026, 11, 21, 10, 0, 0, 0, time.UTC), scans)
		blocked := slices.ContainsFunc(scans, func(s model.Scan) bool {
			return slices.ContainsFunc(s.Findings, func(f model.Finding) bool { return f.Kind == model.FindingMalicious })
		})
		for _, s := range subjects {
			if len(subjects) == 1 && len(scans) == 1 && blocked && s.Verdict.Outcome == model.VerdictPass {
				t.Error("what is malicious passes")
			}
		}
		for _, write := range []func(*bytes.Buffer) error{
			func(b *bytes.Buffer) error { return gate.WriteSARIF(b, subjects, "") }, func(b *bytes.Buffer) error { return gate.WriteGitLab(b, subjects, "") },
		} {
			var b bytes.Buffer
			if err := write(&b); err != nil || !json.Valid(b.Bytes()) {
				t.Errorf("%v: %s", err, b.Bytes())
			}
		}
	})
}
