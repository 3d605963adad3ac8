package dockerfile

import (
	"bytes"
	"path"
	"slices"
	"strconv"
	"strings"
)

// The characters of words that mean what they say, by what they are for. What
// quotes, escapes, stands for a variable or is a wildcard is in none of them.
const (
	inName      = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_"
	inReference = inName + ".-/:@"
	inPath      = inName + ".-/+@"
	inValue     = inName + ".-/+@:,=%~*?!;|&()[]^"
	inLabel     = inName + ".-/"
)

// all tells whether a word is not empty and of these characters only.
func all(word []byte, of string) bool {
	for _, c := range word {
		if strings.IndexByte(of, c) < 0 {
			return false
		}
	}
	return len(word) > 0
}

// instruction reads one, as it stands on one line; false where it is not plain.
func (r *plainReader) instruction(text []byte) bool {
	name, rest := cutWord(text)
	if len(rest) == 0 || len(name) > len("HEALTHCHECK") || !all(name, inName) || bytes.Contains(text, []byte("<<")) {
		return false
	}
	instruction := string(bytes.ToUpper(name))
	if len(r.stages) == 0 && instruction != "FROM" && instruction != "ARG" {
		return false
	}
	switch instruction {
	case "FROM":
		return r.from(rest)
	case "ARG":
		return r.arguments(rest)
	case "ENV":
		return assignments(rest, inName, true, nil)
	case "LABEL":
		return assignments(rest, inLabel, true, nil)
	case "COPY", "ADD":
		return r.copies(rest, instruction == "ADD")
	case "RUN":
		return command(flagless(rest, plainRunFlag()))
	case "CMD", "ENTRYPOINT":
		return list(rest) || command(rest)
	case "SHELL":
		return list(rest)
	case "HEALTHCHECK":
		return string(rest) == "NONE"
	case "WORKDIR", "USER":
		return rest[0] != '-' && value(rest, false)
	case "EXPOSE", "STOPSIGNAL", "VOLUME":
		return rest[0] != '-' && all(rest, inPath)
	}
	return false
}

// cutWord cuts the first word off, and the blanks behind it.
func cutWord(text []byte) (word, rest []byte) {
	i := bytes.IndexAny(text, " \t")
	if i < 0 {
		return text, nil
	}
	return text[:i], bytes.TrimLeft(text[i:], " \t")
}

// flagless is what stands behind the flags, nil where one is not plain.
func flagless(text []byte, flag func([]byte) bool) []byte {
	for bytes.HasPrefix(text, []byte("--")) {
		word, rest := cutWord(text)
		if !flag(word) {
			return nil
		}
		text = rest
	}
	return text
}

// plainRunFlag tells whether a RUN's flag reads nothing, of one flag after the
// other.
func plainRunFlag() func(word []byte) bool {
	networks := 0
	return func(word []byte) bool {
		if target, cache := bytes.CutPrefix(word, []byte("--mount=type=cache,target=")); cache {
			return all(target, inPath)
		}
		networks++
		return networks == 1 && (string(word) == "--network=none" || string(word) == "--network=default")
	}
}

// command tells whether a text is one for a shell.
func command(text []byte) bool {
	return len(text) > 0 && text[0] < 0x80 && text[0] != '-' && text[0] != '['
}

// list tells whether a text is a JSON list of strings that mean what they say.
func list(text []byte) bool {
	text, found := bytes.CutPrefix(text, []byte("["))
	for found {
		text = bytes.TrimLeft(text, " ")
		if text, found = bytes.CutPrefix(text, []byte(`"`)); !found {
			return false
		}
		word, rest, closed := bytes.Cut(text, []byte(`"`))
		if !closed || !all(word, inValue+" $'{}<>#") {
			return false
		}
		rest = bytes.TrimLeft(rest, " ")
		if string(rest) == "]" {
			return true
		}
		text, found = bytes.CutPrefix(rest, []byte(","))
	}
	return false
}

// assignments reads NAME=value, repeated; bare names only where each is not nil and
// is told of all.
func assignments(text []byte, names string, valued bool, each func(name, value string, has bool)) bool {
	for len(text) > 0 {
		n := 0
		for n < len(text) && strings.IndexByte(names, text[n]) >= 0 {
			n++
		}
		name, rest := text[:n], text[n:]
		if n == 0 || '0' <= name[0] && name[0] <= '9' || name[0] == '-' {
			return false
		}
		has := len(rest) > 0 && rest[0] == '='
		if has {
			rest = rest[1:]
			if n = valueEnd(rest); n < 0 {
				return false
			}
		} else if n = 0; valued || len(rest) > 0 && rest[0] != ' ' && rest[0] != '\t' {
			return false
		}
		if each != nil {
			each(string(name), string(rest[:n]), has)
		}
		text = bytes.TrimLeft(rest[n:], " \t")
	}
	return true
}

// valueEnd is how long the value is that a text begins with, -1 where it is not
// plain.
func valueEnd(text []byte) int {
	if len(text) > 0 && text[0] == '"' {
		n := bytes.IndexByte(text[1:], '"')
		if n < 0 || n > 0 && !value(text[1:n+1], true) || n+2 < len(text) && text[n+2] != ' ' && text[n+2] != '\t' {
			return -1
		}
		return n + 2
	}
	n := bytes.IndexAny(text, " \t")
	if n < 0 {
		n = len(text)
	}
	if n > 0 && !value(text[:n], false) {
		return -1
	}
	return n
}

// value tells whether a word consists of what it says and of variables.
func value(word []byte, quoted bool) bool {
	for i := 0; i < len(word); i++ {
		c := word[i]
		switch {
		case c == '$':
			n := variableEnd(word[i+1:])
			if n == 0 {
				return false
			}
			i += n
		case c == ' ' && quoted:
		case strings.IndexByte(inValue, c) < 0:
			return false
		}
	}
	return true
}

// variableEnd is how long NAME or {NAME} is, 0 where it is neither.
func variableEnd(text []byte) int {
	braces := 0
	if len(text) > 0 && text[0] == '{' {
		braces = 1
	}
	n := braces
	for n < len(text) && isNameRune(rune(text[n]), n == braces) {
		n++
	}
	switch {
	case n == braces, braces == 1 && (n == len(text) || text[n] != '}'):
		return 0
	}
	return n + braces
}

// arguments reads an ARG. Before the first FROM its default may be a part of a
// reference.
func (r *plainReader) arguments(text []byte) bool {
	global, free := len(r.stages) == 0, true
	return assignments(text, inName, false, func(name, value string, has bool) {
		if !global {
			return
		}
		if strings.HasPrefix(name, "BUILD") || strings.HasPrefix(name, "TARGET") || name == sourceDateEpoch {
			free = false // the builder gives it
		}
		if r.globals == nil {
			r.globals, r.bare = map[string]string{}, map[string]bool{}
		}
		delete(r.globals, name)
		r.bare[name] = r.bare[name] || !has
		if !r.bare[name] && all([]byte(value), inReference) {
			r.globals[name] = value
		}
	}) && free
}

// from reads a FROM.
func (r *plainReader) from(text []byte) bool {
	platforms := 0
	text = flagless(text, func(word []byte) bool {
		switch string(word) {
		case "--platform=$BUILDPLATFORM", "--platform=${BUILDPLATFORM}", "--platform=$TARGETPLATFORM", "--platform=${TARGETPLATFORM}":
			platforms++
		default:
			return false
		}
		return platforms == 1
	})
	base, rest := cutWord(text)
	ref, known := r.expanded(base)
	if !known {
		return false
	}
	stage := ""
	if len(rest) > 0 {
		as, name := cutWord(rest)
		stage = string(name)
		if !bytes.EqualFold(as, []byte("as")) || !plainStage(stage) || slices.Contains(r.stages, stage) {
			return false
		}
	}
	if ref != scratch && !slices.Contains(r.stages, ref) {
		r.out.Images = append(r.out.Images, ref)
	}
	r.stages = append(r.stages, stage)
	return true
}

// plainStage tells whether a stage can have a name, as it is written, and a FROM
// can name it: that must be a reference to an image, too.
func plainStage(name string) bool {
	if name == "" || len(name) > 63 || name[0] < 'a' || name[0] > 'z' || name == scratch || name == "context" {
		return false
	}
	const separators = "-_."
	for i := 1; i < len(name); i++ {
		c := name[i]
		if strings.IndexByte(separators, c) >= 0 {
			if i+1 == len(name) || strings.IndexByte(separators, name[i+1]) >= 0 {
				return false
			}
		} else if (c < 'a' || c > 'z') && (c < '0' || c > '9') {
			return false
		}
	}
	return true
}

// expanded is a reference with its arguments replaced.
func (r *plainReader) expanded(word []byte) (string, bool) {
	if all(word, inReference) {
		return string(word), true
	}
	var b strings.Builder
	for i := 0; i < len(word); i++ {
		if word[i] != '$' {
			b.WriteByte(word[i])
			continue
		}
		n := variableEnd(word[i+1:])
		value, found := r.globals[strings.Trim(string(word[i+1:i+1+n]), "{}")]
		if !found {
			return "", false
		}
		b.WriteString(value)
		i += n
	}
	return b.String(), all([]byte(b.String()), inReference)
}

// copies reads a COPY or an ADD.
func (r *plainReader) copies(text []byte, add bool) bool {
	from, seen := "", map[string]bool{}
	text = flagless(text, func(word []byte) bool {
		name, value, has := bytes.Cut(word, []byte("="))
		flag := string(name)
		if seen[flag] {
			return false
		}
		seen[flag] = true
		switch flag {
		case "--link":
			return !has
		case "--chown", "--chmod":
			return all(value, inName+":.-")
		case "--from":
			from = string(value)
			return !add && all(value, inReference)
		}
		return false
	})
	var paths []string
	for len(text) > 0 {
		var word []byte
		if word, text = cutWord(text); !all(word, inPath) {
			return false
		}
		paths = append(paths, string(word))
	}
	if len(paths) < 2 {
		return false
	}
	if from != "" {
		return r.copiesFrom(from)
	}
	for _, source := range paths[:len(paths)-1] {
		clean, outside := cleanSource(source)
		if outside || strings.HasPrefix(path.Clean(source), "..") {
			return false
		}
		r.out.Sources = append(r.out.Sources, clean)
	}
	return true
}

// copiesFrom notes what a --from means.
func (r *plainReader) copiesFrom(from string) bool {
	if n, err := strconv.Atoi(from); err == nil {
		return 0 <= n && n < len(r.stages)-1
	}
	at := slices.Index(r.stages, strings.ToLower(from))
	switch {
	case at == len(r.stages)-1:
		return false
	case at < 0 && from != scratch:
		r.out.Images = append(r.out.Images, from)
	}
	return true
}

// stagesFit tells whether no image could be taken for a stage.
func (r *plainReader) stagesFit() bool {
	return !slices.ContainsFunc(r.out.Images, func(ref string) bool {
		name := strings.ToLower(ref[strings.LastIndexByte(ref, '/')+1:])
		name, _, _ = strings.Cut(name, "@")
		name, _, _ = strings.Cut(name, ":")
		return name == "" || name == "context" || slices.Contains(r.stages, name)
	})
}
