package promote

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// stand asks a last time, when the document and the tags are in place. A
// withdrawal marks images before it looks into the document: one that marked
// them before this moment, and found nothing to take out of the document yet,
// is seen here; one that marks them later finds them in the document. What was
// withdrawn is taken back just as the withdrawal would have done.
func (s Step) stand(ctx context.Context, images []*verified) error {
	lists, err := s.withdrawn(ctx, images)
	if err != nil {
		return err
	}
	var gone []model.Digest
	for n, list := range lists {
		if len(list) > 0 {
			gone = append(gone, model.Digest(images[n].entry.Digest))
		}
	}
	if len(gone) == 0 {
		return nil
	}
	refused := &Refused{Of: Standing, Missing: s.accuse(ctx, images, lists)}
	if err := s.markCopies(ctx, images, lists); err != nil {
		return err
	}
	if err := s.takeBack(ctx, gone); err != nil {
		return err
	}
	left, err := s.Settle(ctx, gone)
	if err != nil {
		return err
	}
	for _, ref := range left {
		refused.Missing = append(refused.Missing, ref+" is still at what was withdrawn, and prod has no other version: delete that tag")
	}
	return refused
}

// takeBack removes indexes from prod's document.
func (s Step) takeBack(ctx context.Context, gone []model.Digest) error {
	_, err := channel.Update(ctx, s.Store, channel.Prod, func(b []byte) ([]byte, error) {
		if b == nil {
			return nil, nil
		}
		d, err := manifest.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", channel.Prod, err)
		}
		all := len(d.Images)
		d.Images = slices.DeleteFunc(d.Images, func(i manifest.Image) bool { return slices.Contains(gone, model.Digest(i.Digest)) })
		if len(d.Images) == all {
			return nil, nil
		}
		d.GeneratedAt = s.Now().UTC().Format(time.RFC3339)
		return d.Encode()
	})
	return err
}

// markCopies marks what was copied to prod after its withdrawal, or beside it,
// so that no rollback finds a copy that nobody has marked.
func (s Step) markCopies(ctx context.Context, images []*verified, lists [][]lost) error {
	if s.Prod == "" {
		return nil
	}
	for n, list := range lists {
		if len(list) == 0 {
			continue
		}
		because := list[0]
		whole := lost{question{because.repo, model.Digest(images[n].entry.Digest)}, true}
		for _, l := range append([]lost{whole}, list...) {
			if !l.own {
				continue
			}
			if err := s.markCopy(ctx, s.target(images[n].entry), l.digest, because.question); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Step) markCopy(ctx context.Context, repo string, digest model.Digest, because question) error {
	_, copied, err := s.Registry.Resolve(ctx, repo, digest.String())
	if err != nil || !copied {
		return err
	}
	tag := model.WithdrawalTag(digest)
	if _, marked, err := s.Registry.Resolve(ctx, repo, tag); err != nil || marked {
		return err
	}
	at := s.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(model.Withdrawal{
		Version: model.WithdrawalVersion, Digest: digest, Because: because.digest, Reason: s.why(ctx, because), Time: at, Actor: s.Actor, Run: s.Job,
	})
	if err != nil {
		return fmt.Errorf("marking %s as withdrawn: %w", digest, err)
	}
	mark, err := s.Registry.PutArtifact(ctx, repo, registry.Artifact{
		Subject: digest, Type: model.WithdrawalArtifactType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: at},
	})
	if err != nil {
		return err
	}
	return s.Registry.MoveTag(ctx, repo, mark, tag)
}
