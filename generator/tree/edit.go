package tree

import (
	"bytes"
	"context"
	"fmt"
	"slices"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/render"
)

// compareOurs judges a file that carries the header and is not what is wanted.
func (c *comparer) compareOurs(ctx context.Context, name string, have, want []byte) error {
	is, should := render.ProvenanceOf(have), render.ProvenanceOf(want)
	before, err := c.before(ctx, name, is)
	if err != nil {
		return err
	}
	if c.o.Force || !editedByHand(is, should, before) {
		c.add(c.rewritten(name, is, have, want, before))
		return nil
	}
	change, err := c.joined(ctx, name, have, want, before)
	if err != nil {
		return err
	}
	c.copies[copyOf(name)] = want
	if marked(is.Body) {
		c.copies[copyOf(name)] = nil
	}
	if change.Kind != "" {
		c.add(change)
		return nil
	}
	e, err := c.editOf(ctx, name, have)
	c.found.Edits = append(c.found.Edits, e)
	return err
}

// editedByHand tells an edit from what bots do, which is to move pins, and
// from one that says what is generated anyway.
func editedByHand(is, should render.Provenance, before []byte) bool {
	switch {
	case !is.Edited || render.SameButPins(is.Body, should.Body):
		return false
	case before != nil:
		return !render.SameButPins(is.Body, before)
	}
	return true
}

// rewritten is a change that says what is generated, whatever was there.
func (c *comparer) rewritten(name string, is render.Provenance, have, want, before []byte) Change {
	out := Change{Path: name, Old: have, New: want}
	should := render.ProvenanceOf(want)
	if before == nil {
		before = is.Body
	}
	switch {
	case is.Edited && !render.SameButPins(is.Body, before) && !render.SameButPins(is.Body, should.Body):
		e := editIn(name, have, before)
		out.Kind, out.Detail, out.Line = Edited, e.Lines, e.Line
	case is.Edited && render.SameButPins(is.Body, should.Body):
		from := before
		if bytes.Equal(from, should.Body) {
			from = is.Body
		}
		out.Kind, out.Detail = Pin, join(render.MovedPins(from, should.Body), "in this file")
	case render.SameButPins(before, should.Body) && !bytes.Equal(before, should.Body):
		out.Kind, out.Detail = Pin, render.MovedPins(before, should.Body)
	case is.Output == should.Output && is.Input == should.Input && !is.Edited:
		out.Kind, out.Detail = Edited, "the edit was taken back"
	default:
		out.Kind = cause(is, should)
	}
	return out
}

// cause tells why a text that nobody edited is not what is wanted.
func cause(is, should render.Provenance) Kind {
	if is.Input != should.Input {
		return Outdated
	}
	return Older
}

// joined joins an edit with what is generated now. A change without a kind is
// none: the edit is there, was found before, and everything else is as it
// should be.
func (c *comparer) joined(ctx context.Context, name string, have, want, before []byte) (Change, error) {
	is, should := render.ProvenanceOf(have), render.ProvenanceOf(want)
	e, err := c.editOf(ctx, name, have)
	if err != nil {
		return Change{}, err
	}
	out := Change{Path: name, Kind: Edited, Detail: e.Lines, Line: e.Line, Old: have, New: have}
	if is.Kept {
		out.Kind = cause(is, should)
		out.Detail = "the edit is kept: " + e.Lines
	}
	if marked(is.Body) {
		out.Kind, out.Line = Conflict, markedAt(have)
		out.Detail = fmt.Sprintf("the conflict at line %d is not resolved", out.Line)
		return out, nil
	}
	if !render.Editable(name) {
		out.Kind = Closed
		out.Detail = join(e.Lines, "the plan starts its jobs as they are generated; change a template, or add a job under jobs")
		return out, nil
	}
	body, conflict := is.Body, false
	if is.Output != should.Output {
		if body, conflict, err = c.merge(ctx, before, is.Body, should.Body); err != nil {
			return Change{}, err
		}
	}
	if err := render.Readable(render.Edited(want, body)); !conflict && err != nil {
		out.Kind, out.Detail = Closed, join(e.Lines, err.Error())
		return out, nil
	}
	switch {
	case conflict:
		out.New = render.InConflict(want, body)
		out.Kind, out.Line = Conflict, e.Line
		out.Detail = join(e.Lines, fmt.Sprintf("the new text has markers at line %d", markedAt(out.New)))
	case bytes.Equal(body, should.Body):
		out.New = want
	default:
		out.New = render.Edited(want, body)
	}
	if bytes.Equal(out.New, have) {
		return Change{}, nil
	}
	return out, nil
}

// merge joins an edit of before with the new text of it. Without the text that
// was edited, and where a join that git finds clean cannot be read, every line
// on which the two differ is a conflict: nothing is guessed.
func (c *comparer) merge(ctx context.Context, before, edited, now []byte) (body []byte, conflict bool, err error) {
	if c.o.Past == nil {
		return nil, false, fmt.Errorf("joining an edit: the folder has no history")
	}
	body, conflict, err = c.o.Past.Merge(ctx, before, edited, now)
	if err == nil && !conflict && render.Readable(body) != nil {
		body, conflict, err = c.o.Past.Merge(ctx, nil, edited, now)
	}
	if err != nil {
		return nil, false, fmt.Errorf("joining an edit: %w", err)
	}
	return body, conflict, nil
}

const (
	markBegins = "<<<<<<< "
	markEnds   = ">>>>>>> "
)

// marked tells whether a text has conflict markers.
func marked(text []byte) bool { return markedAt(text) > 0 }

// markedAt is the line at which the first conflict begins, 0 without one.
func markedAt(text []byte) int {
	lines := strings.Split(string(text), "\n")
	begins := func(mark string) int {
		return slices.IndexFunc(lines, func(l string) bool { return strings.HasPrefix(l, mark) })
	}
	if begin := begins(markBegins); begins(markEnds) > begin {
		return begin + 1
	}
	return 0
}

// editOf says where a file differs from the text that was generated for it.
func (c *comparer) editOf(ctx context.Context, name string, have []byte) (Edit, error) {
	before, err := c.before(ctx, name, render.ProvenanceOf(have))
	if err != nil || before == nil {
		return Edit{Path: name, Lines: unknownLines}, err
	}
	return editIn(name, have, before), nil
}

// unknownLines stands for the lines of an edit of an unknown text.
const unknownLines = "the text before the edit is not in the history"

// editIn finds the lines of a file that are not those of before, its body as
// it was generated; bots move pins, which are no edit.
func editIn(name string, have, before []byte) Edit {
	is := render.ProvenanceOf(have)
	a := strings.Split(string(render.WithoutPins(before)), "\n")
	b := strings.Split(string(render.WithoutPins(is.Body)), "\n")
	first := 0
	for first < min(len(a), len(b)) && a[first] == b[first] {
		first++
	}
	last := 0
	for last < min(len(a), len(b))-first && a[len(a)-1-last] == b[len(b)-1-last] {
		last++
	}
	begin, end := is.LineInFile(first+1), is.LineInFile(len(b)-last)
	e := Edit{Path: name, Line: begin, Lines: fmt.Sprintf("lines %d-%d", begin, end)}
	if end <= begin {
		e.Lines = fmt.Sprintf("line %d", begin)
	}
	return e
}

func join(parts ...string) string {
	return strings.Join(slices.DeleteFunc(parts, func(s string) bool { return s == "" }), "; ")
}
