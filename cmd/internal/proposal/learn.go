package proposal

import (
	"cmp"
	"fmt"
	"regexp"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// learn finds rules for references whose tags are made of the parts of a
// folder's path, such as ros:noetic-ros-core-focal for
// ros/noetic/ubuntu/focal/ros-core, from the references that are there.
func (d *draft) learn(f *fleet) {
	meant := f.meanings(d.Repositories, d.References)
	constant := constants(f.dirs)
	parts := make([][]string, len(f.dirs))
	for i, dir := range f.dirs {
		parts[i] = strings.Split(dir, "/")
	}
	lessons := map[string]*lesson{}
	for _, r := range f.refs {
		if meant(r.name).Image != nil {
			continue
		}
		own := f.own[r.in[0].path]
		e, found := explain(r, f.dirs, parts, constant, own)
		if !found {
			continue
		}
		l := lessons[e.key()]
		if l == nil {
			l = &lesson{}
			lessons[e.key()] = l
		}
		l.examples = append(l.examples, e)
	}
	var all []*lesson
	for _, key := range sortedKeys(lessons) {
		if l := lessons[key]; len(l.examples) >= 2+l.examples[0].skipped() {
			all = append(all, l)
		}
	}
	// What says more goes first: it leaves to the others what it does not fit.
	slices.SortStableFunc(all, func(a, b *lesson) int {
		x, y := a.examples[0], b.examples[0]
		return cmp.Or(cmp.Compare(y.skipped(), x.skipped()), cmp.Compare(x.wild(), y.wild()), cmp.Compare(len(b.examples), len(a.examples)))
	})
	for _, l := range all {
		rule := l.rule()
		meant := f.meanings(nil, append(slices.Clone(d.References), rule))
		right := 0
		for _, e := range l.examples {
			if m := meant(e.ref); m.Image != nil && m.Image.Dir == e.dir {
				right++
			}
		}
		if right*10 >= len(l.examples)*6 && right >= 2 {
			d.References = append(d.References, rule)
		}
	}
}

// constants are the parts of paths that nearly all folders begin with.
func constants(dirs []string) []string {
	var common []string
	for {
		count := map[string]int{}
		prefix := strings.Join(append(slices.Clone(common), ""), "/")
		for _, dir := range dirs {
			if rest, below := strings.CutPrefix(dir, prefix); below {
				next, _, _ := strings.Cut(rest, "/")
				count[next]++
			}
		}
		next := ""
		for name, n := range count {
			if n*10 >= len(dirs)*9 {
				next = name
			}
		}
		if next == "" {
			return common
		}
		common = append(common, next)
	}
}

// part is how one part of a folder's path follows from a reference.
type part struct {
	kind     byte   // one of the part constants
	text     string // for partConst
	from, to int    // the words of the tag, for the others
}

const (
	partConst  = 'c' // it is always so
	partName   = 'n' // the last name of the reference
	partWords  = 'w' // words of the tag
	partBegin  = 'b' // the beginning of a word, up to a dot
	partDigits = 'd' // the digits that a word ends with
	partWild   = '*' // nothing says it
)

// example is a reference and the folder that it seems to mean.
type example struct {
	ref, dir          string
	prefix, last, tag string
	words             []string
	parts             []part
	cost              int
}

// explain finds the folder whose path follows best from a reference.
func explain(r ref, dirs []string, split [][]string, constant []string, own string) (example, bool) {
	prefix, last, tag := r.split()
	words := strings.Split(tag, "-")
	best, found := example{}, false
	if len(words) > 8 || tag == "latest" {
		return best, false
	}
	runs := map[string]part{}
	for from := range words {
		for to := from + 1; to <= len(words); to++ {
			runs[strings.Join(words[from:to], "-")] = part{kind: partWords, from: from, to: to}
		}
	}
	for i, dir := range dirs {
		if dir == own {
			continue
		}
		parts, cost, ok := derive(split[i], constant, last, words, runs)
		if ok && (!found || cost < best.cost) {
			best, found = example{r.name, dir, prefix, last, tag, words, parts, cost}, true
		}
	}
	return best, found
}

// derive explains each part of a path. It is false for a path that does not
// follow from the reference.
func derive(dir, constant []string, last string, words []string, runs map[string]part) (parts []part, cost int, ok bool) {
	wild, said := 0, 0
	used := make([]bool, len(words))
	for i, c := range dir {
		p, found := runs[c]
		switch {
		case c == last:
			p = part{kind: partName}
			said++
		case i < len(constant) && c == constant[i]:
			p = part{kind: partConst, text: c}
		case found:
			said++
		default:
			if p, found = within(c, words); !found {
				if wild++; wild > 1 {
					return nil, 0, false
				}
				p = part{kind: partWild}
			} else {
				said++
			}
		}
		for n := p.from; n < p.to; n++ {
			used[n] = true
		}
		parts = append(parts, p)
	}
	wild += untangle(parts)
	skipped := 0
	for _, u := range used {
		if !u {
			skipped++
		}
	}
	if said < 2 || wild > 1 || skipped > 1 || skipped == len(words) {
		return nil, 0, false
	}
	return parts, 10*wild + 15*skipped, true
}

// within finds a part in a word: its beginning up to a dot, or the digits at
// its end.
func within(c string, words []string) (part, bool) {
	for i, w := range words {
		if strings.HasPrefix(w, c+".") {
			return part{kind: partBegin, from: i, to: i + 1}, true
		}
		if rest, found := strings.CutSuffix(w, c); found && onlyDigits.MatchString(c) && onlyLetters.MatchString(rest) {
			return part{kind: partDigits, from: i, to: i + 1}, true
		}
	}
	return part{}, false
}

var (
	onlyDigits  = regexp.MustCompile(`^[0-9][0-9.]*$`)
	onlyLetters = regexp.MustCompile(`^[^0-9]+$`)
)

// untangle leaves a part open whose words are some of those of another part:
// only one of the two can be read out of a tag. It returns how many it left.
func untangle(parts []part) (wild int) {
	for i := range parts {
		for j := range parts {
			a, b := &parts[i], &parts[j]
			if a.to > 0 && b.to > 0 && a.from < b.to && b.from < a.to && (a.from != b.from || a.to != b.to) && a.to-a.from <= b.to-b.from {
				*a = part{kind: partWild}
				wild++
			}
		}
	}
	return wild
}

func (e example) wild() (n int) {
	for _, p := range e.parts {
		if p.kind == partWild {
			n++
		}
	}
	return n
}

// segment is a run of words of a tag: one that parts use, or one word that
// none does.
type segment struct {
	from, to int
	used     bool
}

func (e example) segments() []segment {
	var out []segment
	for i := 0; i < len(e.words); {
		s := segment{from: i, to: i + 1}
		for _, p := range e.parts {
			if p.to > 0 && p.from == i {
				s.to, s.used = p.to, true
			}
		}
		out = append(out, s)
		i = s.to
	}
	return out
}

func (e example) skipped() (n int) {
	for _, s := range e.segments() {
		if !s.used {
			n++
		}
	}
	return n
}

var digits = regexp.MustCompile(`[0-9]+`)

// form is what a word looks like: its digits may be others.
func form(word string) string {
	return strings.ReplaceAll(regexp.QuoteMeta(digits.ReplaceAllString(word, "0")), "0", "[0-9]+")
}

// key is the same for examples of one rule.
func (e example) key() string {
	var b strings.Builder
	number := map[int]int{}
	for i, s := range e.segments() {
		number[s.from] = i
		if s.used {
			b.WriteString("{}")
		} else {
			b.WriteString(form(e.words[s.from]))
		}
		b.WriteString("-")
	}
	for _, p := range e.parts {
		fmt.Fprintf(&b, "/%c%s", p.kind, p.text)
		if p.to > 0 {
			fmt.Fprintf(&b, "%d", number[p.from])
		}
	}
	return b.String()
}

// lesson is what the examples of one rule have in common.
type lesson struct{ examples []example }

// rule is the reference rule that the examples are of.
func (l *lesson) rule() model.Reference {
	var b strings.Builder
	b.WriteString(l.prefixes())
	fmt.Fprintf(&b, "(?P<name>%s):", l.names())
	first := l.examples[0]
	segments := first.segments()
	for i := range segments {
		if i > 0 {
			b.WriteString("-")
		}
		b.WriteString(l.segment(i))
	}
	var folder []string
	for _, p := range first.parts {
		at := slices.IndexFunc(segments, func(s segment) bool { return s.from == p.from })
		switch p.kind {
		case partConst:
			folder = append(folder, p.text)
		case partName:
			folder = append(folder, "{name}")
		case partWild:
			folder = append(folder, "*")
		case partDigits:
			folder = append(folder, fmt.Sprintf("{number%d}", at+1))
		case partBegin:
			folder = append(folder, fmt.Sprintf("{version%d}", at+1))
		default:
			folder = append(folder, fmt.Sprintf("{part%d}", at+1))
		}
	}
	return model.Reference{Match: b.String(), Folders: []string{strings.Join(folder, "/")}}
}

// prefixes is the expression for what stands before the name.
func (l *lesson) prefixes() string {
	set := map[string]bool{}
	for _, e := range l.examples {
		set[e.prefix] = true
	}
	all := sortedKeys(set)
	if len(all) == 1 {
		return join(all[0])
	}
	optional := ""
	if all[0] == "" {
		all, optional = all[1:], "?"
	}
	return "(?:" + alternatives(all) + "/)" + optional
}

// names is the expression for the last name.
func (l *lesson) names() string {
	set := map[string]bool{}
	for _, e := range l.examples {
		set[e.last] = true
	}
	const most = 8
	if len(set) > most {
		return "[^:/@]+"
	}
	return strings.TrimSuffix(strings.TrimPrefix(alternatives(sortedKeys(set)), "(?:"), ")")
}

// segment is the expression for a run of words.
func (l *lesson) segment(i int) string {
	first := l.examples[0].segments()[i]
	if !first.used {
		return form(l.examples[0].words[first.from])
	}
	values, long, digitsUsed, begins, wholes := map[string]bool{}, false, false, false, false
	dots := 0
	for _, e := range l.examples {
		s := e.segments()[i]
		long = long || s.to-s.from > 1
		values[strings.Join(e.words[s.from:s.to], "-")] = true
		for n, p := range e.parts {
			if p.to == 0 || p.from != s.from {
				continue
			}
			switch p.kind {
			case partDigits:
				digitsUsed = true
			case partBegin:
				begins = true
				dots = max(dots, strings.Count(strings.Split(e.dir, "/")[n], "."))
			default:
				wholes = true
			}
		}
	}
	const few, enough = 4, 8
	word := "[^-]+"
	switch {
	case digitsUsed:
		word = fmt.Sprintf(`[^0-9-]+(?P<number%d>[0-9][0-9.]*)`, i+1)
	case begins:
		word = fmt.Sprintf(`(?P<version%d>[0-9]+(?:\.[0-9]+){%d})(?:\.[^-]*)?`, i+1, dots)
	case long:
		word = ".+"
	case len(values) <= few && len(l.examples) >= enough:
		word = strings.TrimSuffix(strings.TrimPrefix(alternatives(sortedKeys(values)), "(?:"), ")")
	}
	if wholes {
		return fmt.Sprintf("(?P<part%d>%s)", i+1, word)
	}
	return word
}
