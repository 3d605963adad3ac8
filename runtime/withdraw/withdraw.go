// Package withdraw takes back a digest that must not be used any more, and
// everything that was built on it: by what the receipts of builds say, on every
// platform, in every registry of the fleet. It is marked where it lies, so that
// nobody merges, reuses or promotes it again, and leaves the channels.
package withdraw

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
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

// Place is a repository that is searched, with the client that may write there.
type Place struct {
	Registry *registry.Client
	Repo     string // "host/path"
}

// Step withdraws.
type Step struct {
	Places []Place
	Store  channel.Store
	Now    func() time.Time // nil is the clock

	Reason, Actor, Job string // for the records
}

// Item is a digest that is withdrawn.
type Item struct {
	Digest   model.Digest `json:"digest"`
	Image    string       `json:"image,omitempty"` // "python:3.13", empty where no receipt tells
	Platform string       `json:"platform,omitempty"`
	Because  model.Digest `json:"because"`      // what it was built on, or what it holds; itself for what was named
	Repos    []string     `json:"repositories"` // that have it, sorted
}

// Result is what a withdrawal did.
type Result struct {
	Items   []Item              `json:"items"`   // what was named first, then what was built on it
	Retired map[string][]string `json:"retired"` // ids that left a channel, by its document
}

// Digests are those of all items.
func (r Result) Digests() []model.Digest {
	var out []model.Digest
	for _, i := range r.Items {
		out = append(out, i.Digest)
	}
	return out
}

// inParallel bounds how many repositories or receipts are read at once.
const inParallel = 8

// Run withdraws a digest: of an index, with its platforms, or of one platform.
// Everything is marked before the channels are written, so that a run that is
// cut off leaves nothing that could be promoted, and is finished by the next.
func (s Step) Run(ctx context.Context, digest model.Digest) (Result, error) {
	if s.Now == nil {
		s.Now = time.Now
	}
	if strings.TrimSpace(s.Reason) == "" {
		return Result{}, errors.New("withdrawing: a reason is needed")
	}
	found, err := s.Find(ctx, digest)
	if err != nil {
		return Result{}, err
	}
	out := Result{Items: found.items, Retired: map[string][]string{}}
	if err := s.mark(ctx, found); err != nil {
		return out, err
	}
	for _, name := range []string{channel.Testing, channel.Prod} {
		if out.Retired[name], err = s.retire(ctx, name, out.Digests()); err != nil {
			return out, err
		}
	}
	return out, nil
}

// Family is a digest and all that was built on it.
type Family struct {
	items  []Item
	builds map[model.Digest][]built // by the digest that was made
	places map[string]Place         // by repository
}

// Items are the members, what was named first.
func (f Family) Items() []Item { return f.items }

// built is a receipt and where it lies.
type built struct {
	model.Receipt
	repo string
}

// Find looks for all that was built on a digest.
func (s Step) Find(ctx context.Context, digest model.Digest) (Family, error) {
	if !digest.Valid() {
		return Family{}, fmt.Errorf("invalid digest %q: expected sha256: and 64 hexadecimal digits", digest)
	}
	receipts, err := s.receipts(ctx)
	if err != nil {
		return Family{}, err
	}
	f := Family{builds: map[model.Digest][]built{}, places: map[string]Place{}}
	for _, p := range s.Places {
		f.places[p.Repo] = p
	}
	for _, r := range receipts {
		if r.Step == model.StepBuild {
			f.builds[r.Digest] = append(f.builds[r.Digest], r)
		}
	}
	f.items = family(digest, receipts)
	if err := s.locate(ctx, &f); err != nil {
		return Family{}, err
	}
	if len(f.items[0].Repos) == 0 {
		return Family{}, fmt.Errorf("%s is in none of the %d repositories that were searched", digest, len(s.Places))
	}
	return f, nil
}

// receipts reads those of all builds and merges.
func (s Step) receipts(ctx context.Context) ([]built, error) {
	per := make([][]built, len(s.Places))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n, p := range s.Places {
		g.Go(func() error {
			tags, err := p.Registry.Tags(ctx, p.Repo)
			if err != nil {
				return err
			}
			for _, tag := range tags {
				if !strings.HasPrefix(tag, "r-"+model.StepBuild+"-") && !strings.HasPrefix(tag, "r-"+model.StepMerge+"-") {
					continue
				}
				r, found, err := p.Registry.Receipt(ctx, p.Repo, tag)
				if err != nil {
					return err
				}
				if found {
					per[n] = append(per[n], built{r, p.Repo})
				}
			}
			return nil
		})
	}
	err := g.Wait()
	return slices.Concat(per...), err
}

// family follows the receipts from a digest to all that holds or was built on
// it. Of an index that was named all platforms belong to it; of an index that
// holds one of them, the others do not: nothing is wrong with them.
func family(digest model.Digest, receipts []built) []Item {
	items := []Item{{Digest: digest, Because: digest}}
	seen := map[model.Digest]bool{digest: true}
	add := func(d, because model.Digest) {
		if d.Valid() && !seen[d] {
			seen[d] = true
			items = append(items, Item{Digest: d, Because: because})
		}
	}
	for _, r := range receipts {
		if r.Step == model.StepMerge && r.Digest == digest {
			for _, in := range r.Inputs {
				if _, err := model.ParsePlatform(in.Name); err == nil {
					add(in.Digest, digest)
				}
			}
		}
	}
	slices.SortFunc(items[1:], func(a, b Item) int { return cmp.Compare(a.Digest, b.Digest) })
	for n := 0; n < len(items); n++ { // grows
		first := len(items)
		for _, r := range receipts {
			if slices.ContainsFunc(r.Inputs, func(m model.Material) bool { return m.Digest == items[n].Digest && !isStep(m.Name) }) {
				add(r.Digest, items[n].Digest)
			}
		}
		slices.SortFunc(items[first:], func(a, b Item) int { return cmp.Compare(a.Digest, b.Digest) })
	}
	for n := range items {
		items[n].Image, items[n].Platform = named(items[n].Digest, receipts)
	}
	return items
}

// isStep tells whether a material of a merge is the key of a step.
func isStep(name string) bool {
	step, _, found := strings.Cut(name, " ")
	return found && slices.Contains([]string{model.StepBuild, model.StepTest}, step)
}

// named is what the receipts call a digest.
func named(d model.Digest, receipts []built) (image, platform string) {
	for _, r := range receipts {
		if r.Digest == d {
			return model.TargetID{Image: r.Image, Tag: r.Tag, Variant: r.Variant}.Node(), r.Platform
		}
	}
	return "", ""
}

// locate finds the repositories that have the items.
func (s Step) locate(ctx context.Context, f *Family) error {
	has := make([][]bool, len(f.items))
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	for n := range f.items {
		has[n] = make([]bool, len(s.Places))
		for at, p := range s.Places {
			g.Go(func() (err error) {
				_, has[n][at], err = p.Registry.Resolve(ctx, p.Repo, f.items[n].Digest.String())
				return err
			})
		}
	}
	if err := g.Wait(); err != nil {
		return err
	}
	for n := range f.items {
		f.items[n].Repos = []string{}
		for at, p := range s.Places {
			if has[n][at] {
				f.items[n].Repos = append(f.items[n].Repos, p.Repo)
			}
		}
		slices.Sort(f.items[n].Repos)
	}
	return nil
}

// mark writes the records, the last descendant first: a run that is cut off is
// then found incomplete by its beginning.
func (s Step) mark(ctx context.Context, f Family) error {
	for _, item := range slices.Backward(f.items) {
		for _, repo := range item.Repos {
			if err := s.markIn(ctx, f.places[repo], item, f.items[0].Digest, f.builds[item.Digest]); err != nil {
				return err
			}
		}
	}
	return nil
}

func (s Step) markIn(ctx context.Context, p Place, item Item, root model.Digest, builds []built) error {
	for _, b := range builds {
		if b.repo != p.Repo {
			continue
		}
		state := model.StateTag{Key: b.Key, Generation: b.Generation, Step: model.StepWithdraw, Digest: item.Digest, StepKey: item.Digest}
		if err := p.Registry.PutState(ctx, p.Repo, state, item.Digest.String()); err != nil {
			return err
		}
	}
	tag := model.WithdrawalTag(item.Digest)
	_, found, err := p.Registry.Resolve(ctx, p.Repo, tag)
	if err != nil || found { // it was withdrawn before, for a reason that stays
		return err
	}
	at := s.Now().UTC().Format(time.RFC3339)
	body, err := json.Marshal(model.Withdrawal{
		Version: model.WithdrawalVersion, Digest: item.Digest, Because: root, Reason: s.Reason, Time: at, Actor: s.Actor, Run: s.Job,
	})
	if err != nil {
		return fmt.Errorf("recording the withdrawal of %s: %w", item.Digest, err)
	}
	record, err := p.Registry.PutArtifact(ctx, p.Repo, registry.Artifact{
		Subject: item.Digest, Type: model.WithdrawalArtifactType, Body: body, Annotations: map[string]string{registry.CreatedAnnotation: at},
	})
	if err != nil {
		return err
	}
	return p.Registry.MoveTag(ctx, p.Repo, record, tag)
}

// retire takes what holds a withdrawn digest out of a channel.
func (s Step) retire(ctx context.Context, name string, digests []model.Digest) (ids []string, err error) {
	_, err = channel.Update(ctx, s.Store, name, func(b []byte) ([]byte, error) {
		ids = []string{}
		if b == nil {
			return nil, nil
		}
		d, err := manifest.Decode(b)
		if err != nil {
			return nil, fmt.Errorf("reading %s: %w", name, err)
		}
		d.Images = slices.DeleteFunc(d.Images, func(i manifest.Image) bool {
			gone := slices.Contains(digests, model.Digest(i.Digest)) || slices.ContainsFunc(slices.Collect(maps.Values(i.Platforms)), func(p model.Digest) bool {
				return slices.Contains(digests, p)
			})
			if gone {
				ids = append(ids, i.ID)
			}
			return gone
		})
		if len(ids) == 0 {
			return nil, nil
		}
		d.GeneratedAt = s.Now().UTC().Format(time.RFC3339)
		return d.Encode()
	})
	return ids, err
}
