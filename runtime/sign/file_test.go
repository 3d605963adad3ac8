package sign_test

import (
	"crypto/elliptic"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// TestFiles signs a file: its signature is of no other content, by nobody else,
// and no statement; and a statement is no signature of a file.
func TestFiles(t *testing.T) {
	t.Parallel()
	private, public := keys(t, ecKey(t, elliptic.P256()))
	_, stranger := keys(t, ecKey(t, elliptic.P256()))
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "cosign.key"), private, 0o600); err != nil {
		t.Fatal(err)
	}
	s, err := sign.Open(t.Context(), model.Signing{Key: "file:cosign.key"}, sign.Options{Dir: dir})
	if err != nil {
		t.Fatal(err)
	}
	content := []byte("what is signed\n")
	bundle, err := s.SignFile(t.Context(), content)
	if err != nil {
		t.Fatal(err)
	}
	attested, err := s.Sign(t.Context(), statement(t, model.DigestOf(content)))
	if err != nil {
		t.Fatal(err)
	}
	if signed, err := trusting(t, public).VerifyFile(bundle, content); err != nil || signed.By == "" {
		t.Errorf("%+v, %v", signed, err)
	}
	for name, c := range map[string]struct {
		key, bundle, content []byte
	}{
		"other content":   {public, bundle, []byte("what was signed\n")},
		"nobody we trust": {stranger, bundle, content},
		"a statement":     {public, attested, content},
		"no bundle":       {public, []byte("{}"), content},
	} {
		_, err := trusting(t, c.key).VerifyFile(c.bundle, c.content)
		if _, untrusted := errors.AsType[*sign.Untrusted](err); !untrusted {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := trusting(t, public).Verify(bundle, model.DigestOf(content)); err == nil {
		t.Error("the signature of a file passed for a statement")
	}
}
