package login

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"
)

// IDTokenVariable holds the token of a job whose forge gives it one without
// being asked: GitLab's id_tokens.
const IDTokenVariable = "ROOTFSGEN_ID_TOKEN"

// The variables by which GitHub says where a job asks for a token.
const (
	tokenURLVariable     = "ACTIONS_ID_TOKEN_REQUEST_URL"
	tokenRequestVariable = "ACTIONS_ID_TOKEN_REQUEST_TOKEN"
)

// ErrNoForgeToken is a job that cannot say which one it is.
var ErrNoForgeToken = errors.New("the forge gives this job no token: GitHub's jobs need the permission id-token: write, GitLab's id_tokens: " + IDTokenVariable)

// longestAnswer bounds what is read of an answer about tokens, in bytes.
const longestAnswer = 64 << 10

// forgeToken is a token of the forge that says, to audience and nobody else,
// which job this is. GitHub's are good for five minutes, so it is asked for
// whenever one is needed, and never kept.
func forgeToken(ctx context.Context, client *http.Client, audience string) (string, error) {
	return IdentityToken(ctx, client, audience, IDTokenVariable, os.Getenv)
}

// IdentityToken is a token of the forge that says, to audience and nobody else,
// which job this is: the one in variable, which GitLab sets, or one that GitHub
// gives. The error is ErrNoForgeToken where there is neither.
func IdentityToken(ctx context.Context, client *http.Client, audience, variable string, env func(string) string) (string, error) {
	if token := env(variable); token != "" {
		return token, nil
	}
	address, bearer := env(tokenURLVariable), env(tokenRequestVariable)
	if address == "" || bearer == "" {
		return "", ErrNoForgeToken
	}
	separator := "?"
	if strings.Contains(address, "?") {
		separator = "&"
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address+separator+"audience="+url.QueryEscape(audience), nil)
	if err != nil {
		return "", fmt.Errorf("%s is no address", tokenURLVariable)
	}
	req.Header.Set("Authorization", "Bearer "+bearer)
	resp, err := client.Do(req)
	if err != nil {
		return "", err
	}
	defer func() { _ = resp.Body.Close() }()
	var answer struct {
		Value string `json:"value"`
	}
	if err := json.NewDecoder(io.LimitReader(resp.Body, longestAnswer)).Decode(&answer); err != nil || answer.Value == "" {
		return "", errors.New("asking the forge for a token: the answer holds none")
	}
	return answer.Value, nil
}
