package pipeline

import (
	"encoding/json"
	"fmt"
	"maps"
	"reflect"
	"slices"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/source"
)

// Said is what people said that a pipeline is made from, each as a digest.
// What they leave to a default is not part of it, so that a version of the
// program with more settings reads the same repository to the same digests:
// where these are equal and a text is not, it is the program that changed.
type Said struct {
	Settings model.Digest // and which machine classes are used
	Images   model.Digest // and how they hang together
}

// apart are settings that reach no pipeline.
var apart = []string{"Args", "Detect", "References", "Repositories", "Roots", "Syntax"}

// said is what a fleet's settings and the laid out images come to.
func (p *Pipeline) said(s *model.Settings) (Said, error) {
	given, err := plain(s)
	if err != nil {
		return Said{}, err
	}
	defaults := source.Defaults()
	usual, err := plain(&defaults)
	if err != nil {
		return Said{}, err
	}
	for _, name := range apart {
		delete(given, name)
	}
	settings, err := json.Marshal([]any{without(given, usual), slices.Sorted(maps.Keys(p.Runners))})
	if err != nil {
		return Said{}, fmt.Errorf("reading back the settings: %w", err)
	}
	fleet, err := json.Marshal(p.Images)
	if err != nil {
		return Said{}, fmt.Errorf("reading back the images: %w", err)
	}
	return Said{Settings: model.DigestOf(settings), Images: model.DigestOf(fleet)}, nil
}

// plain is settings as nothing but maps, lists and scalars.
func plain(s *model.Settings) (map[string]any, error) {
	text, err := json.Marshal(s)
	if err != nil {
		return nil, fmt.Errorf("reading back the settings: %w", err)
	}
	var out map[string]any
	if err := json.Unmarshal(text, &out); err != nil {
		return nil, fmt.Errorf("reading back the settings: %w", err)
	}
	return out, nil
}

// without is given less what is as usual or empty, at any depth.
func without(given, usual map[string]any) map[string]any {
	out := map[string]any{}
	for k, v := range given {
		if inner, is := v.(map[string]any); is {
			theirs, _ := usual[k].(map[string]any)
			if inner = without(inner, theirs); len(inner) > 0 {
				out[k] = inner
			}
			continue
		}
		if !reflect.DeepEqual(v, usual[k]) && (!empty(v) || !empty(usual[k])) {
			out[k] = v
		}
	}
	return out
}

func empty(v any) bool {
	l, list := v.([]any)
	return v == nil || v == "" || v == false || v == 0.0 || list && len(l) == 0
}
