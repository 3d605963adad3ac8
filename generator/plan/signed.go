package plan

import (
	"fmt"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// checkSigned refuses addresses and paths that no settings could have given.
func checkSigned(p *model.Plan) error {
	if s := p.Signing; s != nil {
		if s.Key != "" {
			if err := model.CheckSigningKey(s.Key); err != nil {
				return fmt.Errorf("signing: %w", err)
			}
		}
		for _, address := range []string{s.Fulcio, s.Rekor, s.TSA} {
			if address == "" {
				continue
			}
			if err := model.CheckService(address); err != nil {
				return fmt.Errorf("signing: %w", err)
			}
		}
	}
	if p.Trust == nil {
		return nil
	}
	if p.Trust.Root != "" {
		if err := model.CheckPublicKey(p.Trust.Root); err != nil {
			return fmt.Errorf("trust: %w", err)
		}
	}
	for _, signers := range [][]model.Signer{p.Trust.Signers, p.Trust.Builders} {
		for _, s := range signers {
			if err := checkSigner(s); err != nil {
				return fmt.Errorf("trust: %w", err)
			}
		}
	}
	return nil
}

func checkSigner(s model.Signer) error {
	if s.Key != "" {
		return model.CheckPublicKey(s.Key)
	}
	if err := model.CheckIdentity(s.Identity); err != nil {
		return err
	}
	return model.CheckService(s.Issuer)
}
