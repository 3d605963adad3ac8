package registry

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry/registrytest"
)

// zeroes is a source of equal bytes: a random image without randomness.
type zeroes int64

func (z zeroes) Int63() int64 { return int64(z) }
func (zeroes) Seed(int64)     {}

func receiptFor(d model.Digest) model.Receipt {
	return model.Receipt{
		Version: model.ReceiptVersion, Step: model.StepTest, StepKey: model.StepKey(model.StepTest, d, "x"), Status: model.ReceiptPassed,
		Image: "python", Tag: "3.13", Platform: "linux/amd64", Digest: d, UpdatedAt: "2026-11-21T09:00:00Z",
	}
}

func TestAReceiptComesBack(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	r := receiptFor(push(t, c, repo, 1))
	s.Forget()
	if err := c.PutReceipt(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	written := len(s.Requests())
	tag := model.ReceiptTag(r.Step, r.StepKey)
	got, found, err := c.Receipt(t.Context(), repo, tag)
	if err != nil || !found {
		t.Fatalf("%v, %v", found, err)
	}
	if diff := cmp.Diff(r, got); diff != "" {
		t.Error(diff)
	}
	if n := len(s.Requests()) - written; written > 7 || n != 1 {
		t.Errorf("writing took %d requests, reading %d: %v", written, n, s.Requests())
	}
	if tags, err := c.Tags(t.Context(), repo); err != nil || !cmp.Equal(tags, []string{tag}) {
		t.Errorf("tags = %v, %v: a receipt has one tag and no fallback", tags, err)
	}
}

func TestOnlyPassedReceiptsAreWritten(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	r := receiptFor(push(t, c, repo, 1))
	r.Status = model.ReceiptFailed
	if err := c.PutReceipt(t.Context(), repo, r); err == nil {
		t.Error("a failed receipt was written")
	}
	r = receiptFor(model.DigestOf([]byte("elsewhere")))
	if err := c.PutReceipt(t.Context(), repo, r); err == nil {
		t.Error("a receipt without its subject was written")
	}
}

func TestWhatIsNoReceiptIsNotBelieved(t *testing.T) {
	t.Parallel()
	s := registrytest.New(t)
	c, _ := newClient()
	repo := s.Prefix("testing/python")
	d, other := push(t, c, repo, 1), push(t, c, repo, 2)
	r := receiptFor(d)
	if err := c.PutReceipt(t.Context(), repo, r); err != nil {
		t.Fatal(err)
	}
	raw, _, err := c.Manifest(t.Context(), repo, model.ReceiptTag(r.Step, r.StepKey))
	if err != nil {
		t.Fatal(err)
	}
	elsewhere := "r-test-" + strings.Repeat("0", 64)
	change := func(f func(*artifact)) []byte {
		var a artifact
		if err := json.Unmarshal(raw, &a); err != nil {
			t.Fatal(err)
		}
		f(&a)
		b, err := json.Marshal(a)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	for name, forged := range map[string][]byte{
		"another tag's":   raw,
		"another subject": change(func(a *artifact) { a.Subject.Digest = hash(other) }),
		"no subject":      change(func(a *artifact) { a.Subject = nil }),
		"another type":    change(func(a *artifact) { a.ArtifactType = "text/plain" }),
		"other bytes":     change(func(a *artifact) { a.Layers[0].Data = []byte("{}") }),
		"too large":       change(func(a *artifact) { a.Layers[0].Size = 1 << 40 }),
		"no layer":        change(func(a *artifact) { a.Layers = nil }),
		"no JSON in layer": change(func(a *artifact) {
			a.Layers[0].Data, a.Layers[0].Digest = []byte("x"), hash(model.DigestOf([]byte("x")))
		}),
	} {
		if _, err := c.PutManifest(t.Context(), repo, forged, ManifestMediaType, elsewhere); err != nil {
			t.Fatal(err)
		}
		if got, found, err := c.Receipt(t.Context(), repo, elsewhere); err == nil {
			t.Errorf("%s: believed: %+v, %v", name, got, found)
		}
	}
}

func FuzzDecodeStatement(f *testing.F) {
	body, err := encodeStatement("h/r", receiptFor(model.DigestOf(nil)))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(body)
	f.Add([]byte("{}"))
	f.Fuzz(func(t *testing.T, b []byte) {
		r, err := decodeStatement(b)
		if err != nil || checkReceipt(r, model.ReceiptTag(r.Step, r.StepKey)) != nil {
			return
		}
		again, err := encodeStatement("h/r", r)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := decodeStatement(again); err != nil || !cmp.Equal(got, r) {
			t.Errorf("%+v came back as %+v, %v", r, got, err)
		}
	})
}
