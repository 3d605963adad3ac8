//go:build cosign

package cosign

import (
	"encoding/json"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/enginetest"
	"github.com/rootfsgen/rootfsgen/runtime/attest"
	"github.com/rootfsgen/rootfsgen/runtime/attest/attesttest"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

func TestMain(m *testing.M) { enginetest.Main(m) }

const password = "open sesame"

// desk is a folder with a key pair that cosign has made.
type desk struct {
	t   *testing.T
	dir string
}

func newDesk(t *testing.T) desk {
	t.Helper()
	d := desk{t, t.TempDir()}
	if out, ok := d.cosign("generate-key-pair"); !ok {
		t.Fatal(out)
	}
	return d
}

// cosign runs the real one, without a network but this machine's.
func (d desk) cosign(args ...string) (string, bool) {
	d.t.Helper()
	cmd := exec.CommandContext(d.t.Context(), filepath.Join(enginetest.Root(d.t), ".cache", "bin", "cosign"), args...)
	cmd.Dir = d.dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + d.dir, "COSIGN_PASSWORD=" + password, "HTTPS_PROXY=http://127.0.0.1:9"}
	out, err := cmd.CombinedOutput()
	d.t.Logf("cosign %s\n%s", strings.Join(args, " "), out)
	return string(out), err == nil
}

func (d desk) options() sign.Options {
	return sign.Options{Dir: d.dir, Env: func(name string) string {
		if name == "COSIGN_PASSWORD" {
			return password
		}
		return ""
	}}
}

func (d desk) signer() *sign.Signer {
	d.t.Helper()
	s, err := sign.Open(d.t.Context(), model.Signing{Key: "file:cosign.key", Password: "COSIGN_PASSWORD"}, d.options())
	if err != nil {
		d.t.Fatal(err)
	}
	return s
}

// judge trusts what the key pair has signed.
func (d desk) judge() *sign.Judge {
	d.t.Helper()
	j, err := sign.Trusting(d.t.Context(), []model.Signer{{Key: "cosign.pub"}}, "", d.options())
	if err != nil {
		d.t.Fatal(err)
	}
	return j
}

func publish(t *testing.T) attesttest.Published {
	t.Helper()
	return attesttest.Publish(t, enginetest.Services(t).Registry+"/"+strings.ToLower(strings.ReplaceAll(t.Name(), "/", "-")))
}

// types are the predicates of ours, as cosign calls them.
var types = map[string]string{
	"slsaprovenance1": attest.TypeProvenance, "cyclonedx": attest.TypeCycloneDX, "vuln": attest.TypeScan, attest.TypeDecision: attest.TypeDecision,
}

// TestCosignReadsOurs signs and attests with ours, and verifies each statement
// with cosign; with another key it verifies none.
func TestCosignReadsOurs(t *testing.T) {
	p, d, other := publish(t), newDesk(t), newDesk(t)
	s := attest.Step{Registry: p.Client, Signer: d.signer(), Origin: attest.Origin{Builder: "https://example.com/builder"}}
	if _, err := s.Sign(t.Context(), p.Image); err != nil {
		t.Fatal(err)
	}
	for _, digest := range p.Image.Digests() {
		ref := p.Repo + "@" + digest.String()
		if out, ok := d.cosign("verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--type", "vuln", ref); ok {
			t.Errorf("before there is a scan of %s: %s", ref, out)
		}
	}
	if _, err := s.Attest(t.Context(), p.Image); err != nil {
		t.Fatal(err)
	}
	for _, digest := range p.Image.Digests() {
		ref := p.Repo + "@" + digest.String()
		if out, ok := d.cosign("verify", "--key", "cosign.pub", "--insecure-ignore-tlog", ref); !ok {
			t.Errorf("the signature of %s: %s", ref, out)
		}
		if out, ok := other.cosign("verify", "--key", "cosign.pub", "--insecure-ignore-tlog", ref); ok {
			t.Errorf("the signature of %s by another key: %s", ref, out)
		}
		for kind := range types {
			if out, ok := d.cosign("verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--type", kind, ref); !ok {
				t.Errorf("%s of %s: %s", kind, ref, out)
			}
			if out, ok := other.cosign("verify-attestation", "--key", "cosign.pub", "--insecure-ignore-tlog", "--type", kind, ref); ok {
				t.Errorf("%s of %s by another key: %s", kind, ref, out)
			}
		}
	}
}

// TestOursReadsCosign signs and attests with cosign, and verifies with ours.
func TestOursReadsCosign(t *testing.T) {
	p, d, other := publish(t), newDesk(t), newDesk(t)
	p0 := p.Image.Platforms[0]
	ref := p.Repo + "@" + p0.Digest.String()
	require := func(j *sign.Judge, what ...string) []string {
		t.Helper()
		missing, err := attest.Gate{Registry: p.Client, Requirements: attest.Requirements{Judge: j, Require: what}}.Verify(t.Context(), p.Repo, p0.Digest)
		if err != nil {
			t.Fatal(err)
		}
		return missing
	}
	if got := require(d.judge(), model.Requirables()...); len(got) != len(model.Requirables()) {
		t.Fatalf("before anything is signed it lacks %q", got)
	}
	local := []string{"--key", "cosign.key", "--use-signing-config=false", "--tlog-upload=false", "--yes"}
	if out, ok := d.cosign(append(append([]string{"sign"}, local...), ref)...); !ok {
		t.Fatal(out)
	}
	if got := require(d.judge(), model.RequireSignature); len(got) > 0 {
		t.Errorf("after cosign has signed it lacks %q", got)
	}
	if got := require(d.judge(), model.Requirables()...); len(got) != len(model.Requirables())-1 {
		t.Errorf("with a signature alone it lacks %q", got)
	}
	for kind, predicate := range map[string]any{
		"cyclonedx": map[string]any{"bomFormat": "CycloneDX", "specVersion": "1.6"},
		"vuln": map[string]any{
			"invocation": map[string]any{}, "scanner": map[string]any{"uri": "https://example.com/scanner", "version": "1", "db": map[string]any{}, "result": map[string]any{}},
			"metadata": map[string]any{"scanStartedOn": "2026-11-21T09:00:00Z", "scanFinishedOn": "2026-11-21T09:00:00Z"},
		},
		"slsaprovenance1": map[string]any{
			"buildDefinition": map[string]any{"buildType": "https://example.com/b", "externalParameters": map[string]any{}, "resolvedDependencies": []any{map[string]any{"uri": "git+https://example.com", "digest": map[string]string{"gitCommit": strings.Repeat("ab", 20)}}}},
			"runDetails":      map[string]any{"builder": map[string]any{"id": "https://example.com/builder"}},
		},
		attest.TypeDecision: attesttest.Verdict(p0.Platform, p0.Digest, model.VerdictPass, attesttest.At),
	} {
		body, err := json.Marshal(predicate)
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(d.dir, "predicate.json")
		if err := os.WriteFile(file, body, 0o600); err != nil {
			t.Fatal(err)
		}
		if out, ok := d.cosign(append(append([]string{"attest"}, local...), "--type", kind, "--predicate", file, ref)...); !ok {
			t.Fatal(out)
		}
	}
	if got := require(d.judge(), model.Requirables()...); len(got) > 0 {
		t.Errorf("it lacks %q", got)
	}
	if got := require(other.judge(), model.Requirables()...); len(got) != len(model.Requirables()) {
		t.Errorf("where another key is trusted it lacks %q", got)
	}
}
