package promote

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"golang.org/x/sync/errgroup"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/gate"
	"github.com/rootfsgen/rootfsgen/runtime/registry"
)

// What is written beside a verdict.
const (
	verdictAnnotation = "dev.rootfsgen.verdict" // tells those that differ only in when they were made from others
	rulingAnnotation  = "dev.rootfsgen.ruling"  // by whose policy it is
)

// judge lets today's policy judge today's findings in every platform. Every
// verdict is attached to what it speaks of, also one that refuses.
func (s Step) judge(ctx context.Context, images []*verified) (verdicts []model.Verdict, err error) {
	if s.Policy.Mode == model.EnforceOff {
		return nil, nil
	}
	if s.Scanner == nil {
		return nil, errors.New("promoting: nobody is there to scan the images")
	}
	targets := targets(images)
	if len(targets) == 0 {
		return nil, nil
	}
	refused := &Refused{}
	for _, r := range append(slices.Clone(s.Also), Ruling{Policy: s.Policy, Scanner: s.Scanner}) {
		mine, err := s.judgeBy(ctx, r, images, targets, refused)
		if err != nil {
			return nil, err
		}
		if err := s.attachAll(ctx, r.Name, images, mine); err != nil {
			return mine, err
		}
		verdicts = append(mine, verdicts...)
	}
	refused.Unfinished = append(s.unlisted(images), refused.Unfinished...)
	if len(refused.Missing)+len(refused.Unfinished) > 0 {
		return verdicts, refused
	}
	return verdicts, nil
}

// judgeBy lets one policy judge what is found for it.
func (s Step) judgeBy(ctx context.Context, r Ruling, images []*verified, targets []Target, refused *Refused) ([]model.Verdict, error) {
	scans, err := r.Scanner(ctx, targets)
	if err != nil {
		return nil, err
	}
	byDigest := map[model.Digest][]model.Scan{}
	for _, scan := range scans {
		byDigest[scan.Digest] = append(byDigest[scan.Digest], scan)
	}
	now := s.Now()
	var verdicts []model.Verdict
	at := 0
	for _, v := range images {
		if v == nil {
			continue
		}
		for range v.children {
			t := targets[at]
			at++
			where := gate.Where{GAR: s.Google != nil && s.Google(t.Repo)}
			verdict := gate.Judge(r.Policy, now, t.ID, t.Digest, byDigest[t.Digest], where)
			verdicts = append(verdicts, verdict)
			v.verdicts = append(v.verdicts, model.PromotionVerdict{Platform: verdict.Platform, Digest: t.Digest, Outcome: verdict.Outcome, Policy: verdict.Policy})
			refused.add(v.entry.ID, r.Name, &verdict)
		}
	}
	return verdicts, nil
}

// targets are the platforms of all images, in order.
func targets(images []*verified) []Target {
	var out []Target
	for _, v := range images {
		if v == nil {
			continue
		}
		for _, c := range v.children {
			id := model.TargetID{Image: v.merge.Image, Tag: v.merge.Tag, Variant: v.merge.Variant, Platform: c.platform}
			out = append(out, Target{Repo: v.repo, ID: id, Digest: c.digest})
		}
	}
	return out
}

// add says why a verdict does not let an image pass.
func (r *Refused) add(id, by string, v *model.Verdict) {
	where := id + ": " + v.Platform + ": "
	if by != "" {
		where += "by " + by + ": "
	}
	switch v.Outcome {
	case model.VerdictPass:
	case model.VerdictRefused:
		for _, b := range v.Blocking {
			fixed := ""
			if b.Finding.Fixed != "" {
				fixed = ", fixed in " + b.Finding.Fixed
			}
			r.Missing = append(r.Missing, fmt.Sprintf("%s%s %s in %s%s: %s", where, b.Finding.Severity, b.Finding.ID, b.Finding.PURL, fixed, b.Why))
		}
		if len(v.Blocking) == 0 {
			r.Missing = append(r.Missing, where+"the policy refuses it")
		}
	default: // incomplete, and whatever is not known
		for _, u := range v.Unfinished {
			r.Unfinished = append(r.Unfinished, where+u)
		}
		if len(v.Unfinished) == 0 {
			r.Unfinished = append(r.Unfinished, where+"nobody can say what is in it")
		}
	}
}

func (s Step) attachAll(ctx context.Context, by string, images []*verified, verdicts []model.Verdict) error {
	g, ctx := errgroup.WithContext(ctx)
	g.SetLimit(inParallel)
	at := 0
	for _, v := range images {
		if v == nil {
			continue
		}
		mine := verdicts[at : at+len(v.children)]
		at += len(v.children)
		g.Go(func() error {
			for n := range mine {
				if err := s.attach(ctx, by, v, len(v.verdicts)-len(mine)+n, mine[n]); err != nil {
					return err
				}
			}
			return nil
		})
	}
	return g.Wait()
}

// attach writes a verdict, unless the newest one by the same ruling says the
// same.
func (s Step) attach(ctx context.Context, by string, v *verified, n int, verdict model.Verdict) error {
	said := verdict
	said.Time = ""
	brief, err := json.Marshal(said)
	if err != nil {
		return fmt.Errorf("writing the verdict of %s: %w", v.entry.ID, err)
	}
	mark, ruling := model.DigestOf(brief).String(), strings.TrimSpace(verdict.Policy.String()+" "+by)
	for _, f := range v.evidence[verdict.Digest] {
		if f.Type == gate.VerdictType && f.Annotations[rulingAnnotation] == ruling {
			if f.Annotations[verdictAnnotation] == mark {
				v.verdicts[n].Artifact = f.Digest
				return nil
			}
			break
		}
	}
	body, err := gate.EncodeVerdict(verdict)
	if err != nil {
		return err
	}
	a := registry.Artifact{
		Subject: verdict.Digest, Type: gate.VerdictType, Body: body,
		Annotations: map[string]string{verdictAnnotation: mark, rulingAnnotation: ruling, registry.CreatedAnnotation: s.Now().UTC().Format(time.RFC3339)},
	}
	digest, err := s.Registry.PutArtifact(ctx, v.repo, a)
	if err != nil {
		return err
	}
	v.verdicts[n].Artifact = digest
	v.evidence[verdict.Digest] = append(v.evidence[verdict.Digest], registry.Found{Digest: digest, Type: gate.VerdictType, Annotations: a.Annotations})
	return nil
}
