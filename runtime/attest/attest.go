package attest

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"slices"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
	"github.com/rootfsgen/rootfsgen/runtime/sign"
)

// The annotations by which cosign tells bundles apart without reading them.
const (
	annotationContent   = "dev.sigstore.bundle.content"
	annotationPredicate = "dev.sigstore.bundle.predicateType"
	contentEnvelope     = "dsse-envelope"
)

// maxBundle bounds a bundle that is read, in bytes: a statement of a large
// image's packages, in base64.
const maxBundle = 128 << 20

// inParallel bounds how many statements of an image are signed at once.
const inParallel = 4

// Step signs and attests images. It is safe for concurrent use.
type Step struct {
	Registry *registry.Client
	Signer   *sign.Signer
	// Trusted recognises what an earlier job has signed that had no key; nil
	// recognises only what Signer's own key has signed.
	Trusted *sign.Judge
	Origin  Origin
	Now     func() time.Time // nil is the clock
	Log     *slog.Logger     // nil logs nothing
}

// Attached is a signed statement about a digest.
type Attached struct {
	Subject  model.Digest `json:"subject"`
	Platform string       `json:"platform,omitempty"` // empty for the index
	Type     string       `json:"type"`               // of the predicate
	Artifact model.Digest `json:"artifact"`           // manifest that it lies in
	New      bool         `json:"new"`                // it was not there before
}

// said is a statement that is to be made.
type said struct {
	subject  model.Digest
	platform string
	predicate
}

// Sign says of the index and of every platform that they are ours.
func (s Step) Sign(ctx context.Context, i *Image) ([]Attached, error) {
	var all []said
	for n, d := range i.Digests() {
		all = append(all, said{d, i.platform(n), predicate{TypeSignature, struct{}{}}})
	}
	return s.attachAll(ctx, i.Repo, all)
}

// platform is that of the n-th of an image's digests.
func (i *Image) platform(n int) string {
	if n == 0 {
		return ""
	}
	return i.Platforms[n-1].Platform.String()
}

// Unproven is an image without the receipts that its provenance is made of.
type Unproven struct {
	Ref     string
	Missing []string
}

// Error lists what is missing.
func (u *Unproven) Error() string {
	return fmt.Sprintf("attesting %s: there is no receipt of %s", u.Ref, joinAnd(u.Missing))
}

// Attest says what is known: of each platform its provenance, its packages, its
// scans and the newest verdict; of the index its own provenance, and for each
// platform the same as there.
func (s Step) Attest(ctx context.Context, i *Image) ([]Attached, error) {
	if missing := i.unproven(); len(missing) > 0 {
		return nil, &Unproven{Ref: i.Repo + "@" + i.Digest.String(), Missing: missing}
	}
	all := []said{{i.Digest, "", predicate{TypeProvenance, s.Origin.provenance(i.Merge, i.Revision)}}}
	for _, p := range i.Platforms {
		known, err := s.evidence(ctx, i.Repo, p.Digest)
		if err != nil {
			return nil, err
		}
		name := p.Platform.String()
		all = append(all, said{p.Digest, name, predicate{TypeProvenance, s.Origin.provenance(p.Build, i.Revision)}})
		for _, k := range known {
			all = append(all, said{p.Digest, name, k}, said{i.Digest, "", k})
		}
	}
	return s.attachAll(ctx, i.Repo, all)
}

func (i *Image) unproven() (missing []string) {
	if !i.Merge.Digest.Valid() {
		missing = append(missing, "its merge")
	}
	for _, p := range i.Platforms {
		if !p.Build.Digest.Valid() {
			missing = append(missing, "the build for "+p.Platform.String())
		}
	}
	return missing
}

func (s Step) attachAll(ctx context.Context, repo string, all []said) ([]Attached, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	there, err := s.there(ctx, repo, all)
	if err != nil {
		return nil, err
	}
	out := make([]Attached, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n, one := range all {
		g.Go(func() (err error) {
			out[n], err = s.attach(ctx, repo, one, there[one.subject])
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	return out, nil
}

// there lists the bundles that each of the subjects has already.
func (s Step) there(ctx context.Context, repo string, all []said) (map[model.Digest][]registry.Found, error) {
	out := map[model.Digest][]registry.Found{}
	for _, one := range all {
		if _, known := out[one.subject]; known {
			continue
		}
		found, err := s.Registry.Artifacts(ctx, repo, one.subject, sign.BundleType)
		if err != nil {
			return nil, err
		}
		out[one.subject] = found
	}
	return out, nil
}

// attach signs a statement and attaches it, unless the very same is there.
func (s Step) attach(ctx context.Context, repo string, one said, there []registry.Found) (Attached, error) {
	out := Attached{Subject: one.subject, Platform: one.platform, Type: one.kind}
	statement, err := encode(repo, one.subject, one.kind, one.body)
	if err != nil {
		return out, err
	}
	for _, f := range there {
		if f.Annotations[annotationPredicate] != one.kind {
			continue
		}
		same, err := s.same(ctx, repo, one.subject, f, statement)
		if err != nil {
			return out, err
		}
		if same {
			out.Artifact = f.Digest
			return out, nil
		}
	}
	bundle, err := s.Signer.Sign(ctx, statement)
	if err != nil {
		return out, err
	}
	out.New = true
	out.Artifact, err = s.Registry.PutArtifact(ctx, repo, registry.Artifact{
		Subject: one.subject, Type: sign.BundleType, Body: bundle,
		Annotations: map[string]string{
			annotationContent: contentEnvelope, annotationPredicate: one.kind,
			registry.CreatedAnnotation: s.Now().UTC().Format(time.RFC3339),
		},
	})
	return out, err
}

// same tells whether a bundle says the same, signed by us.
func (s Step) same(ctx context.Context, repo string, subject model.Digest, f registry.Found, statement []byte) (bool, error) {
	judge := s.Signer.Own()
	if judge == nil {
		judge = s.Trusted
	}
	if judge == nil {
		return false, nil
	}
	body, about, _, err := s.Registry.ReadArtifact(ctx, repo, f.Digest, maxBundle)
	if errors.Is(err, registry.ErrAbsent) || err == nil && about != subject {
		return false, nil
	}
	if err != nil {
		return false, err
	}
	signed, err := judge.Verify(body, subject)
	if err != nil { // somebody else's, which is no reason not to sign
		return false, nil //nolint:nilerr // see above
	}
	return bytes.Equal(signed.Payload, statement), nil
}

// joinAnd lists words for people.
func joinAnd(words []string) string {
	switch n := len(words); n {
	case 0:
		return "nothing"
	case 1:
		return words[0]
	default:
		var b bytes.Buffer
		for i, w := range words[:n-1] {
			if i > 0 {
				b.WriteString(", ")
			}
			b.WriteString(w)
		}
		return b.String() + " and " + words[n-1]
	}
}

// Sorted orders what was attached for people: the index first, then the
// platforms, each by type.
func Sorted(all []Attached) []Attached {
	return slices.SortedStableFunc(slices.Values(all), func(a, b Attached) int {
		return cmp.Or(cmp.Compare(a.Platform, b.Platform), cmp.Compare(a.Type, b.Type))
	})
}
