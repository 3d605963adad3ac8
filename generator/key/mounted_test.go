package key

import (
	"testing"

	gocmp "github.com/google/go-cmp/cmp"
)

// TestSecretsAreNotInTheKey: which secrets a build is given says nothing about
// its bytes that the instructions do not say, and a value never gets here.
func TestSecretsAreNotInTheKey(t *testing.T) {
	t.Parallel()
	w := newWorld()
	before := w.keys(t)[amd64("app")]
	w.images["app"].Secrets = map[string]string{"npm": "NPM_TOKEN"}
	after := w.keys(t)[amd64("app")]
	if before.Digest != after.Digest {
		t.Errorf("%s, then %s", before.Digest, after.Digest)
	}
	if d := gocmp.Diff(map[string]string{"npm": "NPM_TOKEN"}, after.Recipe().Secrets); d != "" {
		t.Error(d)
	}
}
