package promote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/channel"
	"github.com/rootfsgen/rootfsgen/runtime/manifest"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// question is a digest in a repository: was it withdrawn there?
type question struct {
	repo   string
	digest model.Digest
}

// lost is a digest that somebody has withdrawn.
type lost struct {
	question
	own bool // the image itself or a platform of it, not what it is built on
}

// withdrawn lists, for each image, what of it somebody has withdrawn by now:
// itself, a platform, or what a platform was built on. It is asked wherever the
// fleet keeps the image; the tag, and not the list of what is about a digest,
// which may lack an entry. A nil image has nothing.
func (s Step) withdrawn(ctx context.Context, images []*verified) ([][]lost, error) {
	answers, err := s.ask(ctx, images)
	if err != nil {
		return nil, err
	}
	out := make([][]lost, len(images))
	for n, v := range images {
		if v == nil {
			continue
		}
		own, seen := v.digests(), map[model.Digest]bool{}
		for _, q := range s.questions(v) {
			if answers[q] && !seen[q.digest] {
				seen[q.digest] = true
				out[n] = append(out[n], lost{q, slices.Contains(own, q.digest)})
			}
		}
	}
	return out, nil
}

// ask asks each question once.
func (s Step) ask(ctx context.Context, images []*verified) (map[question]bool, error) {
	answers := map[question]bool{}
	for _, v := range images {
		for _, q := range s.questions(v) {
			answers[q] = false
		}
	}
	all := slices.Collect(maps.Keys(answers))
	marked := make([]bool, len(all))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(2 * inParallel)
	for n, q := range all {
		g.Go(func() (err error) {
			marked[n], err = s.Registry.Withdrawn(ctx, q.repo, q.digest)
			return err
		})
	}
	if err := g.Wait(); err != nil {
		return nil, err
	}
	for n, q := range all {
		answers[q] = marked[n]
	}
	return answers, nil
}

// accuse says what was withdrawn, and why.
func (s Step) accuse(ctx context.Context, images []*verified, lists [][]lost) []string {
	var out []string
	for n, list := range lists {
		for _, l := range list {
			what, reason := l.digest.Short(), s.why(ctx, l.question)
			if !l.own {
				what += ", which it is built on,"
			}
			if reason != "" {
				reason = ": " + reason
			}
			out = append(out, fmt.Sprintf("%s: %s was withdrawn%s", images[n].entry.ID, what, reason))
		}
	}
	return out
}

// questions are what is to be asked about an image.
func (s Step) questions(v *verified) []question {
	if v == nil {
		return nil
	}
	var out []question
	prefix := strings.TrimSuffix(v.repo, "/"+v.entry.Repository)
	for _, repo := range s.places(prefix, v.entry.Repository) {
		for _, d := range v.digests() {
			out = append(out, question{repo, d})
		}
	}
	for _, m := range v.materials {
		if repository := s.parent(m.Name); repository != "" {
			for _, repo := range s.places(prefix, repository) {
				out = append(out, question{repo, m.Digest})
			}
		}
	}
	return out
}

// places are the repositories in which an image may lie.
func (s Step) places(prefix, repository string) []string {
	var out []string
	for _, p := range []string{prefix, s.Testing, s.Prod} {
		if repo := p + "/" + repository; p != "" && !slices.Contains(out, repo) {
			out = append(out, repo)
		}
	}
	return out
}

// parent is the repository of an image of this fleet that a build names as its
// material, empty for what is somebody else's.
func (s Step) parent(material string) string {
	if s.Fleet == nil {
		return ""
	}
	node, _, _ := strings.Cut(material, " ")
	for n := range s.Fleet.Images {
		if i := &s.Fleet.Images[n]; i.Node().Node() == node {
			return i.ImageName
		}
	}
	if strings.Contains(node, "/") {
		return ""
	}
	// One that the fleet has no more, or whose image.yaml cannot be read now: most
	// lie under their own names.
	name, _, _ := strings.Cut(node, ":")
	return name
}

// why is the reason of a withdrawal, as far as it can be read.
func (s Step) why(ctx context.Context, q question) string {
	at, found, err := s.Registry.Resolve(ctx, q.repo, model.WithdrawalTag(q.digest))
	if err != nil || !found {
		return ""
	}
	body, subject, _, err := s.Registry.ReadArtifact(ctx, q.repo, at.Digest, maxRecord)
	var w model.Withdrawal
	if err != nil || subject != q.digest || json.Unmarshal(body, &w) != nil {
		return ""
	}
	return w.Reason
}

// usable refuses images of which anything was withdrawn by now. Copies that
// were made of them already are marked, too.
func (s Step) usable(ctx context.Context, images []*verified) error {
	lists, err := s.withdrawn(ctx, images)
	if err != nil {
		return err
	}
	missing := s.accuse(ctx, images, lists)
	if len(missing) == 0 {
		return nil
	}
	return cmp.Or(s.markCopies(ctx, images, lists), error(&Refused{Missing: missing}))
}

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
	refused := &Refused{TakenBack: true, Missing: s.accuse(ctx, images, lists)}
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
