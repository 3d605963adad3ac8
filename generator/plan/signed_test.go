package plan_test

import (
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/plan"
)

// TestSignedPlan reads who signs and who is trusted back from a plan, and
// refuses what no settings could have said.
func TestSignedPlan(t *testing.T) {
	t.Parallel()
	tree := strings.Repeat("ab", 20)
	encode := func(s model.Signing, trust model.Trust) []byte {
		t.Helper()
		b, err := plan.Encode(&model.Plan{
			Version: model.PlanVersion, To: model.Revision{Ref: "HEAD", Commit: tree, Tree: tree}, Scope: model.ScopeTesting, Date: "2026.11.21", Registry: "known",
			Entries: []model.Entry{}, Indexes: []model.Index{}, Signing: &s, Trust: &trust,
		})
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	good := model.Trust{Root: "keys/root.json", Builders: []model.Signer{{Key: "keys/sign.pub"}, {Identity: "https://github.com/team/*", Issuer: "https://token.example.com"}}}
	p, err := plan.Decode(encode(model.Signing{Key: "env:KEY"}, good))
	if err != nil {
		t.Fatal(err)
	}
	if p.Signing == nil || p.Signing.Key != "env:KEY" || p.Trust == nil || len(p.Trust.Builders) != 2 {
		t.Errorf("it says %+v, %+v", p.Signing, p.Trust)
	}
	for name, b := range map[string][]byte{
		"a key of nowhere":        encode(model.Signing{Key: "/etc/shadow"}, good),
		"a service in plain text": encode(model.Signing{Fulcio: "http://fulcio.example.com"}, good),
		"a root outside":          encode(model.Signing{}, model.Trust{Root: "../root.json"}),
		"a key outside":           encode(model.Signing{}, model.Trust{Builders: []model.Signer{{Key: "/etc/sign.pub"}}}),
		"everybody":               encode(model.Signing{}, model.Trust{Signers: []model.Signer{{Identity: "*", Issuer: "https://token.example.com"}}}),
		"nobody":                  encode(model.Signing{}, model.Trust{Signers: []model.Signer{{}}}),
	} {
		if _, err := plan.Decode(b); err == nil {
			t.Errorf("%s is accepted", name)
		}
	}
}
