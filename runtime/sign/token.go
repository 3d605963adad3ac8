package sign

import (
	"context"
	"errors"
	"fmt"

	"github.com/rootfsgen/rootfsgen/runtime/login"
)

// TokenVariable holds the token that a job of GitLab's signs with: its
// id_tokens.
const TokenVariable = "SIGSTORE_ID_TOKEN"

// identityToken is a token of the forge that says which job this is.
func (o Options) identityToken(ctx context.Context, audience string) (string, error) {
	token, err := login.IdentityToken(ctx, o.client(), audience, TokenVariable, o.env)
	if errors.Is(err, login.ErrNoForgeToken) {
		return "", fmt.Errorf("this is no job that can say which one it is: GitHub's need the permission id-token: write, GitLab's id_tokens: %s with aud: %s", TokenVariable, audience)
	}
	return token, err
}
