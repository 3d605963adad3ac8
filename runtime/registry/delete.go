package registry

import (
	"context"
	"fmt"
	"net/http"

	"github.com/google/go-containerregistry/pkg/v1/remote/transport"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// Undeletable is a registry that does not let anybody delete.
type Undeletable struct {
	Repository string
	Err        error // its answer
}

// Error says what would let it.
func (u *Undeletable) Error() string {
	return fmt.Sprintf("deleting from %s: the registry does not permit it: %v (distribution's registry does with storage.delete.enabled)", u.Repository, u.Err)
}

// Unwrap is the registry's answer.
func (u *Undeletable) Unwrap() error { return u.Err }

// Delete removes a manifest by its digest, with the tags that stand for it. One
// that is not there is no error: whoever deletes may be called again. The blobs
// stay until the registry itself collects what nothing refers to.
func (c *Client) Delete(ctx context.Context, repo string, digest model.Digest) error {
	r, err := parseRepository(repo)
	if err != nil {
		return err
	}
	if !digest.Valid() {
		return fmt.Errorf("deleting from %s: invalid digest %q", repo, digest)
	}
	err = c.tryShort(ctx, "deleting "+join(repo, digest.String()), func(ctx context.Context) error {
		s, err := c.session(ctx, r, true)
		if err != nil {
			return err
		}
		resp, err := s.do(ctx, http.MethodDelete, s.url+"/manifests/"+digest.String(), "", nil)
		if err != nil {
			return err
		}
		defer drain(resp)
		return transport.CheckError(resp, http.StatusAccepted, http.StatusOK, http.StatusNoContent, http.StatusNotFound)
	})
	if status(err) == http.StatusMethodNotAllowed {
		return &Undeletable{Repository: repo, Err: err}
	}
	return err
}

// Scope is whose repositories the client was made for; see Options.
func (c *Client) Scope() string { return c.o.Scope }
