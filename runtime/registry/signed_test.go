package registry_test

import (
	"context"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/v1/random"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// seals signs as name, and trusts what name has signed.
func seals(name string) registry.Options {
	return registry.Options{
		SignReceipt: func(_ context.Context, statement []byte) ([]byte, error) {
			return []byte(name + " " + string(statement)), nil
		},
		TrustReceipt: func(_ context.Context, bundle, statement []byte, _ model.Digest) error {
			if string(bundle) != name+" "+string(statement) {
				return errors.New("signed by nobody we trust")
			}
			return nil
		},
	}
}

// TestAReceiptThatNobodyCanJudgeIsAnError: keys that cannot be read make no
// receipt one that nobody has signed.
func TestAReceiptThatNobodyCanJudgeIsAnError(t *testing.T) {
	t.Parallel()
	repo := registrytest.New(t).Prefix("testing/app")
	ours := registry.New(seals("us"))
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := ours.PushImage(t.Context(), repo, img)
	if err != nil {
		t.Fatal(err)
	}
	r := model.Receipt{Version: model.ReceiptVersion, Step: "build", StepKey: model.StepKey("build", digest), Status: model.ReceiptPassed, Digest: digest}
	if err := ours.PutReceipt(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	why := errors.New("the key is damaged")
	blind := registry.New(registry.Options{TrustReceipt: func(context.Context, []byte, []byte, model.Digest) error { return &registry.Unjudged{Err: why} }})
	if got, found, err := blind.Receipt(t.Context(), repo, model.ReceiptTag(r.Step, r.StepKey)); !errors.Is(err, why) {
		t.Errorf("got %+v, %v, %v", got, found, err)
	}
	if got, err := blind.Receipts(t.Context(), repo, digest); !errors.Is(err, why) {
		t.Errorf("got %+v, %v", got, err)
	}
}

// TestReceiptSignedByNobodyWeTrust counts a receipt only where somebody who is
// trusted has signed just what it says.
func TestReceiptSignedByNobodyWeTrust(t *testing.T) {
	t.Parallel()
	server := registrytest.New(t)
	repo, prod := server.Prefix("testing/app"), server.Prefix("prod/app")
	ours, theirs, unsigned := registry.New(seals("us")), registry.New(seals("them")), registry.New(registry.Options{})
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := ours.PushImage(t.Context(), repo, img)
	if err != nil {
		t.Fatal(err)
	}
	key := model.StepKey("build", digest)
	r := model.Receipt{Version: model.ReceiptVersion, Step: "build", StepKey: key, Status: model.ReceiptPassed, Digest: digest}
	tag := model.ReceiptTag(r.Step, r.StepKey)
	for name, c := range map[string]struct {
		writer *registry.Client
		counts bool
	}{"ours": {ours, true}, "theirs": {theirs, false}, "nobody's": {unsigned, false}} {
		if err := c.writer.PutReceipt(t.Context(), repo, r); err != nil {
			t.Fatal(err)
		}
		got, found, err := ours.Receipt(t.Context(), repo, tag)
		if err != nil || found != c.counts || found && got.Digest != digest {
			t.Errorf("%s: found %v, %v", name, found, err)
		}
		if _, found, err := unsigned.Receipt(t.Context(), repo, tag); err != nil || !found {
			t.Errorf("%s, where nobody asks for signatures: found %v, %v", name, found, err)
		}
		if copied, err := ours.CopyReceipt(t.Context(), repo, prod, tag); err != nil || copied != c.counts {
			t.Errorf("%s: copied %v, %v", name, copied, err)
		}
	}
}

// TestUnjudgedScope believes receipts of a request's own scope, and of no other.
func TestUnjudgedScope(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	o := seals("us")
	o.Unjudged = s.Prefix("pr")
	c, unsigned := registry.New(o), registry.New(registry.Options{})
	for scope, counts := range map[string]bool{"pr": true, "pr-else": false, "testing": false} {
		repo := s.Prefix(scope + "/app")
		img, err := random.Image(64, 1)
		if err != nil {
			t.Fatal(err)
		}
		digest, err := unsigned.PushImage(t.Context(), repo, img)
		if err != nil {
			t.Fatal(err)
		}
		r := model.Receipt{Version: model.ReceiptVersion, Step: "build", StepKey: model.StepKey("build", digest), Status: model.ReceiptPassed, Digest: digest}
		if err := unsigned.PutReceipt(t.Context(), repo, r); err != nil {
			t.Fatal(err)
		}
		if _, found, err := c.Receipt(t.Context(), repo, model.ReceiptTag(r.Step, r.StepKey)); err != nil || found != counts || c.JudgesReceipts(repo) == counts {
			t.Errorf("%s: found %v, %v", scope, found, err)
		}
	}
}

// TestTamperedReceipt changes what a signed receipt says.
func TestTamperedReceipt(t *testing.T) {
	t.Parallel()
	repo := registrytest.New(t).Prefix("testing/app")
	c := registry.New(seals("us"))
	img, err := random.Image(64, 1)
	if err != nil {
		t.Fatal(err)
	}
	digest, err := c.PushImage(t.Context(), repo, img)
	if err != nil {
		t.Fatal(err)
	}
	r := model.Receipt{Version: model.ReceiptVersion, Step: "build", StepKey: model.StepKey("build", digest), Status: model.ReceiptPassed, Digest: digest, Image: "app"}
	if err := c.PutReceipt(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	tag := model.ReceiptTag(r.Step, r.StepKey)
	raw, d, err := c.Manifest(t.Context(), repo, tag)
	if err != nil {
		t.Fatal(err)
	}
	var m map[string]any
	if err := json.Unmarshal(raw, &m); err != nil {
		t.Fatal(err)
	}
	layer := m["layers"].([]any)[0].(map[string]any)
	// Another statement, with its digest and size made to fit.
	other := r
	other.Image = "another"
	plain := registry.New(registry.Options{})
	if err := plain.PutReceipt(t.Context(), repo, other); err != nil {
		t.Fatal(err)
	}
	forged, _, err := plain.Manifest(t.Context(), repo, tag)
	if err != nil {
		t.Fatal(err)
	}
	var f map[string]any
	if err := json.Unmarshal(forged, &f); err != nil {
		t.Fatal(err)
	}
	maps.Copy(layer, f["layers"].([]any)[0].(map[string]any))
	tampered, err := json.Marshal(m)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := c.PutManifest(t.Context(), repo, tampered, d.MediaType, tag); err != nil {
		t.Fatal(err)
	}
	if got, found, err := c.Receipt(t.Context(), repo, tag); err != nil || found {
		t.Errorf("the tampered receipt counts: %+v, %v", got, err)
	}
	if got, found, err := plain.Receipt(t.Context(), repo, tag); err != nil || !found || got.Image != "another" {
		t.Errorf("the trap is open: %+v, %v, %v", got, found, err)
	}
	if !strings.Contains(string(tampered), "bundle") {
		t.Error("the signature is gone")
	}
}
