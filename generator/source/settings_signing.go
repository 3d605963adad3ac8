package source

import (
	"cmp"
	"regexp"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

var (
	signingKey = text{name: "a key", max: 512, check: model.CheckSigningKey,
		pattern: regexp.MustCompile(`^(file:.+|env:[A-Za-z_][A-Za-z0-9_]*|gcpkms://projects/.+)$`)}
	publicKey = text{name: "a key", max: 512, check: model.CheckPublicKey,
		pattern: regexp.MustCompile(`^[^\s/\\][^\\\n]*$`)}
	serviceAddress = text{name: "an address", max: 512, check: model.CheckService,
		pattern: regexp.MustCompile(`^https?://[^\s@?#]+$`)}
	certificateIdentity = text{name: "an identity", max: 512, check: model.CheckIdentity,
		pattern: regexp.MustCompile(`^[A-Za-z0-9*][A-Za-z0-9*@:/._~%+#-]*$`)}
	audienceText = text{name: "an audience", max: 256, expect: "text without blanks", pattern: regexp.MustCompile(`^[!-~]+$`)}
	builderID    = text{name: "a builder", max: 512, expect: "an address, where `*` stands for any text", pattern: regexp.MustCompile(`^[!-~]+$`)}
)

// signingSettings is sign as it is written.
type signingSettings struct {
	model.Signing
	keyless bool
}

var signField = field[settings]{key: "sign",
	doc:   "How images, attestations and receipts are signed: docs/guide/signing.md. Without it nothing is.",
	shape: signShape,
	set: func(s *settings, v value) {
		written := v.record.(signingSettings)
		s.model.Signing, s.signAt, s.keyless = written.Signing, v.pos, written.keyless
	},
}

var signShape = record[signingSettings]{name: "sign", fields: []field[signingSettings]{
	{key: "key", doc: "The private key: `file:PATH`; `env:VARIABLE`, which holds it in PEM; or `gcpkms://projects/P/locations/L/keyRings/R/cryptoKeys/K/versions/N`. PEM is PKCS #8, or what `cosign generate-key-pair` writes.",
		shape: signingKey, set: func(s *signingSettings, v value) { s.Key = v.text }},
	{key: "password", doc: "Variable that holds the password of a key that cosign has encrypted.", def: model.DefaultPassword, shape: secretName,
		set: func(s *signingSettings, v value) { s.Password = v.text }},
	{key: "keyless", doc: "Sign as the job itself, by a certificate for some minutes, instead of a key.", shape: keylessShape,
		set: func(s *signingSettings, v value) {
			k := v.record.(model.Signing)
			s.Fulcio, s.Audience, s.keyless = k.Fulcio, k.Audience, true
		}},
	{key: "rekor", doc: "Address of a transparency log that every signature is recorded in. What it records is public where it is.", shape: serviceAddress,
		set: func(s *signingSettings, v value) { s.Rekor = v.text }},
	{key: "rekor_version", doc: "Version of the log's interface. The second gives no times: it needs `tsa` beside it.", def: 1, shape: number{min: 1, max: 2, whole: true},
		set: func(s *signingSettings, v value) { s.RekorVersion = int(v.number) }},
	{key: "tsa", doc: "Address of an authority that says when each signature was made (RFC 3161).", shape: serviceAddress,
		set: func(s *signingSettings, v value) { s.TSA = v.text }},
}}

var keylessShape = record[model.Signing]{name: "keyless", fields: []field[model.Signing]{
	{key: "fulcio", doc: "Address of the certificate authority: Sigstore's own, https://fulcio.sigstore.dev, or one of yours.", required: true, remedy: `write "fulcio: https://fulcio.sigstore.dev"`, shape: serviceAddress,
		set: func(s *model.Signing, v value) { s.Fulcio = v.text }},
	{key: "audience", doc: "Whom the forge's token is made for.", def: model.DefaultAudience, shape: audienceText,
		set: func(s *model.Signing, v value) { s.Audience = v.text }},
}}

var trustField = field[settings]{key: "trust",
	doc:   "Whose signatures count, and what an image must have before it is promoted: docs/guide/signing.md.",
	shape: trustShape,
	set: func(s *settings, v value) {
		s.model.Trust, s.trustAt = v.record.(model.Trust), v.pos
		for _, p := range v.pairs {
			if p.key == "root" {
				s.rootAt = p.value.pos
			}
			if p.key == "signers" || p.key == "builders" {
				s.signers = append(s.signers, p.value.items...)
			}
		}
	},
}

var trustShape = record[model.Trust]{name: "trust", fields: []field[model.Trust]{
	{key: "root", doc: "Sigstore's `trusted_root.json`, which says whose certificates, logs and times count; needed for signers that are identities. From the folder of this file; with a `/` at the beginning, from the root of the repository.",
		shape: rootedPath, set: func(t *model.Trust, v value) { t.Root = v.text }},
	{key: "signers", doc: "Who may sign images and attestations.", shape: list{of: signerShape},
		set: func(t *model.Trust, v value) { t.Signers = signersOf(v) }},
	{key: "builders", doc: "Who may sign receipts. With any, a build, a test or a verdict counts only by a receipt that one of them has signed; without, the registry's rights say who may write.", shape: list{of: signerShape},
		set: func(t *model.Trust, v value) { t.Builders = signersOf(v) }},
	{key: "builder_ids", doc: "Builders that an image's provenance may name; `*` stands for any text.", defWords: "any", shape: list{of: builderID, unique: true},
		set: func(t *model.Trust, v value) { t.BuilderIDs = v.texts() }},
	{key: "require", doc: "What must be signed, by one of `signers`, before an image is promoted.", defWords: "all of it where there are `signers`, else nothing",
		shape: list{of: text{enum: model.Requirables()}, unique: true},
		set:   func(t *model.Trust, v value) { t.Require = slices.Sorted(slices.Values(v.texts())) }},
}}

var signerShape = record[model.Signer]{name: "a signer", fields: []field[model.Signer]{
	{key: "key", doc: "File with a public key in PEM, from the folder of this file, or a key of a service, `gcpkms://...`.", shape: publicKey,
		set: func(s *model.Signer, v value) { s.Key = v.text }},
	{key: "identity", doc: "Whom a certificate is for, instead of a key: a workflow's address, a person's or a service account's; `*` stands for any text.", shape: certificateIdentity,
		set: func(s *model.Signer, v value) { s.Identity = v.text }},
	{key: "issuer", doc: "Who told the certificate's authority so, such as https://token.actions.githubusercontent.com.", shape: serviceAddress,
		set: func(s *model.Signer, v value) { s.Issuer = v.text }},
}}

func signersOf(v value) []model.Signer {
	var out []model.Signer
	for _, i := range v.items {
		s, _ := i.record.(model.Signer)
		out = append(out, s)
	}
	return out
}

// checkSigning refuses signing and trust that could not work.
func (f *file) checkSigning(s *settings) {
	sign, trust := s.model.Signing, s.model.Trust
	switch {
	case s.signAt == (diag.Pos{}):
	case sign.Key == "" && !s.keyless:
		f.errorf(RuleSigning, s.signAt, "add key or keyless", "sign says neither which key nor keyless")
	case sign.Key != "" && s.keyless:
		f.errorf(RuleNoEffect, s.signAt, "remove one of them", "sign has a key and keyless")
	case s.keyless && sign.TSA == "" && (sign.Rekor == "" || sign.RekorVersion == 2):
		f.errorf(RuleSigning, s.signAt, "add tsa, or a rekor of version 1", "a certificate is good for minutes: without a record of the time its signatures are worth nothing afterwards")
	}
	certificates := false
	for _, v := range s.signers {
		one, _ := v.record.(model.Signer)
		switch {
		case one.Key == "" && one.Identity == "":
			f.errorf(RuleSigning, v.pos, "add key, or identity and issuer", "a signer without a key or an identity")
		case one.Key != "" && (one.Identity != "" || one.Issuer != ""):
			f.errorf(RuleNoEffect, v.pos, "make two signers of it", "a signer has a key or an identity, not both")
		case one.Identity != "" && one.Issuer == "":
			f.errorf(RuleSigning, v.pos, "add issuer", "an identity counts only from one issuer: anybody can run another")
		}
		certificates = certificates || one.Identity != ""
	}
	if certificates && trust.Root == "" {
		f.errorf(RuleSigning, s.trustAt, "add root", "trust names identities, and no root says whose certificates count")
	}
	if len(trust.Require) > 0 && len(trust.Signers) == 0 {
		f.errorf(RuleSigning, s.trustAt, "add signers", "trust requires signatures, and trusts nobody's")
	}
}

// defaultSigning fills in what sign and trust leave out.
func (s *settings) defaultSigning() {
	sign, trust := &s.model.Signing, &s.model.Trust
	if sign.On() {
		sign.Password = cmp.Or(sign.Password, model.DefaultPassword)
	}
	if sign.Fulcio != "" {
		sign.Audience = cmp.Or(sign.Audience, model.DefaultAudience)
	}
	if sign.Rekor != "" {
		sign.RekorVersion = cmp.Or(sign.RekorVersion, 1)
	} else {
		sign.RekorVersion = 0
	}
	if len(trust.Signers) > 0 && trust.Require == nil {
		trust.Require = slices.Sorted(slices.Values(model.Requirables()))
	}
}
