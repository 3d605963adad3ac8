package key

import (
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// DetailPackage marks a reason of kind base that is a package, not an image.
const DetailPackage = "a package of Debian"

// DetailVersion marks a parent or a base that gave way to another tag of the
// same image: Old and New name both.
const DetailVersion = "another version"

// unlocked stands for the digest of a base that images.lock does not have: the
// base itself is there all the same.
const unlocked = "not locked"

// locked is the digest of a base for people; empty for none where there is no
// such base.
func locked(digest string, there bool) string {
	if there && digest == "" {
		return unlocked
	}
	return digest
}

// renamed makes one reason of a parent, or of a base, that went and another
// tag of it that came.
func renamed(reasons []model.Reason) []model.Reason {
	type name struct{ kind, repository string }
	gone, come := map[name][]int{}, map[name][]int{}
	for i, r := range reasons {
		if r.Kind != model.ReasonParent && r.Kind != model.ReasonBase || r.Detail != "" {
			continue
		}
		n := name{r.Kind, untagged(r.Kind, r.Name)}
		switch {
		case r.New == "" && r.Old != "":
			gone[n] = append(gone[n], i)
		case r.Old == "" && r.New != "":
			come[n] = append(come[n], i)
		}
	}
	drop := map[int]bool{}
	for n, from := range gone {
		to := come[n]
		if len(from) != 1 || len(to) != 1 {
			continue
		}
		was, is := &reasons[from[0]], &reasons[to[0]]
		is.Detail, is.Old, is.New = DetailVersion, pinned(was, was.Old), pinned(is, is.New)
		drop[from[0]] = true
	}
	if len(drop) == 0 {
		return reasons
	}
	kept := reasons[:0]
	for i, r := range reasons {
		if !drop[i] {
			kept = append(kept, r)
		}
	}
	return kept
}

// untagged is what two tags of an image have in common; what follows a blank
// (a platform) stays.
func untagged(kind, name string) string {
	reference, platform, _ := strings.Cut(name, " ")
	reference, _, _ = strings.Cut(reference, "@")
	at := strings.LastIndexByte(reference, ':')
	if kind == model.ReasonParent { // image:tag or image:tag:variant
		at = strings.IndexByte(reference, ':')
	}
	if at > strings.LastIndexByte(reference, '/') {
		reference = reference[:at]
	}
	return reference + " " + platform
}

// pinned is a name with the digest that it stood for, if one is known. A
// parent's key says nothing beside its new name.
func pinned(r *model.Reason, digest string) string {
	if r.Kind == model.ReasonParent || digest == unlocked || strings.Contains(r.Name, "@") {
		return r.Name
	}
	return r.Name + "@" + digest
}

// modeChange says in words what became of a file beside its content; empty
// when nothing did.
func modeChange(old, now string) string {
	was, _, wasObject := strings.Cut(old, " git:")
	is, _, isObject := strings.Cut(now, " git:")
	if !wasObject || !isObject || was == is {
		return ""
	}
	const executable, link = "100755", "120000"
	switch {
	case is == link:
		return "is a symbolic link now"
	case was == link:
		return "is no symbolic link any more"
	case is == executable:
		return "is executable now"
	case was == executable:
		return "is no longer executable"
	}
	return "its mode is another"
}
