package proposal

import (
	"context"
	"fmt"
	"path"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/graph"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// official are names that everybody means the well-known image by.
var official = []string{
	"almalinux", "alpine", "amazonlinux", "archlinux", "busybox", "caddy", "centos", "debian", "fedora", "golang", "gradle", "haproxy",
	"httpd", "mariadb", "maven", "memcached", "mongo", "mysql", "nginx", "node", "openjdk", "perl", "php", "postgres", "python", "rabbitmq",
	"redis", "registry", "rockylinux", "ruby", "rust", "traefik", "ubuntu", "wordpress",
}

// fleet is what the roots of the draft make of the tree, and what its
// references are.
type fleet struct {
	*model.Fleet
	tree model.Tree
	refs []ref // those that can be ours, sorted
	dirs []string
	own  map[string]string // build file -> its image's folder
}

// rules works out what the references mean.
func (d *draft) rules(ctx context.Context) error {
	d.Repositories, d.References, d.official = nil, nil, nil
	loaded, _, tree, err := d.load(ctx, map[string][]byte{"rootfsgen.yaml": d.settings()})
	if err != nil {
		return fmt.Errorf("loading what is proposed: %w", err)
	}
	f := &fleet{Fleet: loaded, tree: tree, own: map[string]string{}}
	d.survey.aliases = loaded.Aliases
	for i := range loaded.Images {
		f.own[loaded.Images[i].Dockerfile] = loaded.Images[i].Dir
		f.dirs = append(f.dirs, loaded.Images[i].Dir)
	}
	slices.Sort(f.dirs)
	f.dirs = slices.Compact(f.dirs)
	for _, r := range d.survey.references() {
		r.in = slices.DeleteFunc(slices.Clone(r.in), func(s *site) bool { _, found := f.own[s.path]; return !found })
		if len(r.in) > 0 && !r.digested() {
			f.refs = append(f.refs, r)
		}
	}
	d.prefixes(f)
	d.tables(f)
	d.releases(f)
	d.learn(f)
	d.outside(f)
	return nil
}

// meanings tells what references mean with the given settings.
func (f *fleet) meanings(repositories []string, references []model.Reference) func(string) graph.Meaning {
	s := f.Settings
	s.Repositories, s.References = repositories, references
	return graph.Meanings(&model.Fleet{Settings: s, Images: f.Images, Aliases: f.Aliases}, f.tree)
}

// self tells whether an image is the one that has the reference.
func (f *fleet) self(r ref, image *model.Image) bool {
	return image != nil && slices.ContainsFunc(r.in, func(s *site) bool { return s.path == image.Dockerfile })
}

// byPrefix are the references by what they begin with.
func (f *fleet) byPrefix() map[string][]ref {
	out := map[string][]ref{}
	for _, r := range f.refs {
		prefix, _, _ := r.split()
		out[prefix] = append(out[prefix], r)
	}
	return out
}

// prefixes finds what begins references to ours: whatever has an image's name
// and tag after it, and not more often something else.
func (d *draft) prefixes(f *fleet) {
	groups, spelled := f.byPrefix(), f.spelled()
	for _, prefix := range sortedKeys(groups) {
		meant := f.meanings([]string{prefix}, nil)
		found, known, unknown, otherwise := 0, 0, 0, 0
		var itself, famous []string
		for _, r := range groups[prefix] {
			m := meant(r.name)
			switch {
			case f.self(r, m.Image):
				itself = append(itself, r.last())
			case m.Image != nil && prefix == "" && slices.Contains(official, r.last()):
				famous = append(famous, r.last())
			case m.Image != nil:
				found++
			case m.Note != "":
				known++
			case m.Unknown != "" && prefix != "" && len(spelled[plainName(r.last())]) > 0:
				otherwise++ // a table says all of them
			case m.Unknown != "":
				unknown++
			}
		}
		if found == 0 || found+known < unknown || otherwise > 0 && prefix != "" {
			d.official = append(d.official, slices.Concat(itself, famous)...)
			continue
		}
		d.Repositories = append(d.Repositories, prefix)
		if len(itself) > 0 {
			slices.Sort(itself)
			d.References = append(d.References, model.Reference{Match: join(prefix) + alternatives(slices.Compact(itself)) + ":latest"})
		}
	}
}

// ownRepositories tells whether the prefixes are others than the default.
func (d *draft) ownRepositories() bool {
	return len(d.official) > 0 || len(d.References) > 0 || len(d.Repositories) > 0 && !slices.Equal(d.Repositories, []string{""})
}

// join is a prefix as the beginning of an expression.
func join(prefix string) string {
	if prefix == "" {
		return ""
	}
	return regexp.QuoteMeta(prefix) + "/"
}

// alternatives is an expression for one of some words.
func alternatives(words []string) string {
	if len(words) == 1 {
		return regexp.QuoteMeta(words[0])
	}
	var quoted []string
	for _, w := range words {
		quoted = append(quoted, regexp.QuoteMeta(w))
	}
	return "(?:" + strings.Join(quoted, "|") + ")"
}

// plainName is a name without what tells CamelCase from kebab-case.
func plainName(s string) string {
	return strings.Map(func(r rune) rune {
		if r == '-' || r == '_' || r == '.' {
			return -1
		}
		return r
	}, strings.ToLower(s))
}

// spelled are the images' folders by their plain names.
func (f *fleet) spelled() map[string][]string {
	out := map[string][]string{}
	for _, dir := range f.dirs {
		name := plainName(path.Base(dir))
		out[name] = append(out[name], dir)
	}
	return out
}

// pinned is a tag that was published once.
var pinned = regexp.MustCompile(`^v?[0-9]`)

// tables finds rules for prefixes after which folders' names stand in another
// spelling, or with a tag that no folder has: a local one, or one that all are
// released under together.
func (d *draft) tables(f *fleet) {
	byName := f.spelled()
	meant := f.meanings(d.Repositories, d.References)
	groups := f.byPrefix()
	for _, prefix := range sortedKeys(groups) {
		if prefix == "" {
			continue
		}
		hits, tags := map[string]string{}, map[string]map[string]bool{} // last name -> folder; tag -> last names
		for _, r := range groups[prefix] {
			_, last, tag := r.split()
			if meant(r.name).Image != nil || len(byName[plainName(last)]) == 0 {
				continue
			}
			dirs := byName[plainName(last)]
			own := f.own[r.in[0].path]
			if slices.Contains(dirs, own) && len(dirs) == 1 {
				continue
			}
			hits[last] = nearest(dirs, own, prefix)
			if tags[tag] == nil {
				tags[tag] = map[string]bool{}
			}
			tags[tag][last] = true
		}
		for tag, names := range tags {
			if pinned.MatchString(tag) && len(names) < 3 {
				delete(tags, tag)
			}
		}
		if len(hits) >= 2 && len(tags) > 0 {
			d.References = append(d.References, table(prefix, hits, sortedKeys(tags)))
		}
	}
}

// nearest is the one of several folders of a name that a prefix or the image
// that asks for it lies near.
func nearest(dirs []string, own, prefix string) string {
	for _, near := range []string{path.Base(prefix), strings.Split(own, "/")[0]} {
		for _, dir := range dirs {
			if dir != own && slices.Contains(strings.Split(dir, "/"), near) {
				return dir
			}
		}
	}
	return dirs[0]
}

// table is the rule for one prefix.
func table(prefix string, hits map[string]string, tags []string) model.Reference {
	tag := ".+"
	switch {
	case len(tags) == 1 && tags[0] == "latest":
		tag = "latest"
	case len(tags) == 1 && !pinned.MatchString(tags[0]):
		tag = regexp.QuoteMeta(tags[0]) + ".*"
	}
	r := model.Reference{Match: join(prefix) + "(?P<name>[^:/@]+):" + tag}
	parents := map[string]int{}
	for _, last := range sortedKeys(hits) {
		dir := hits[last]
		parents[path.Dir(dir)]++
		if base := path.Base(dir); base != last {
			if r.Map == nil {
				r.Map = map[string]map[string]string{"name": {}}
			}
			r.Map["name"][last] = base
		}
	}
	all := sortedKeys(parents)
	slices.SortStableFunc(all, func(a, b string) int { return parents[b] - parents[a] })
	for _, parent := range all {
		r.Folders = append(r.Folders, path.Join(parent, "{name}"))
	}
	return r
}

// outside says of names below our prefixes that no image has them, so that they
// are no mistakes.
func (d *draft) outside(f *fleet) {
	meant := f.meanings(d.Repositories, d.References)
	names := map[string][]string{}
	for _, r := range f.refs {
		if prefix, last, _ := r.split(); meant(r.name).Unknown != "" && !slices.Contains(names[prefix], last) {
			names[prefix] = append(names[prefix], last)
		}
	}
	for _, prefix := range sortedKeys(names) {
		slices.Sort(names[prefix])
		d.References = append(d.References, model.Reference{Match: join(prefix) + alternatives(names[prefix]) + "(?::.*|@.*)"})
	}
}
