package promote

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
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
