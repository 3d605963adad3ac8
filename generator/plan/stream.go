package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"sync"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// EncodeTo is Encode for a plan that may be large: it is written while it is
// made, on all processors, and never held as a whole.
func EncodeTo(w io.Writer, p *model.Plan) error {
	if err := write(w, p); err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// write writes a plan without its lists, and these where they belong: no string
// in JSON has the end of a line in it.
func write(w io.Writer, p *model.Plan) error {
	shell := *p
	shell.Entries, shell.Indexes = nil, nil
	frame := &part{}
	if frame.set(&shell, 0); frame.err != nil {
		return frame.err
	}
	head, rest, _ := bytes.Cut(frame.text, []byte("\n  \"entries\": null"))
	between, tail, _ := bytes.Cut(rest, []byte("\n  \"indexes\": null"))
	_, err := fmt.Fprintf(w, "%s\n  \"entries\": ", head)
	if err == nil {
		err = list(w, p.Entries)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n  \"indexes\": ", between)
	}
	if err == nil {
		err = list(w, p.Indexes)
	}
	if err == nil {
		_, err = fmt.Fprintf(w, "%s\n", tail)
	}
	return err
}

// list writes one of a plan's lists. Parts of it are made side by side and
// written in order.
func list[T any](w io.Writer, all []T) error {
	const share = 128
	spare := sync.Pool{New: func() any { return &part{} }}
	parts := make(chan chan *part, 2*runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(parts)
		for begin := 0; begin == 0 || begin < len(all); begin += share {
			made := make(chan *part, 1)
			select {
			case parts <- made:
			case <-stop:
				return
			}
			go func() {
				p := spare.Get().(*part)
				piece(p, all, begin, min(begin+share, len(all)))
				made <- p
			}()
		}
	}()
	for made := range parts {
		p := <-made
		if p.err == nil {
			_, p.err = w.Write(p.text)
		}
		if p.err != nil {
			return p.err
		}
		spare.Put(p)
	}
	return nil
}

// piece makes the part of a list that has the elements from begin to end: all
// parts one after another are the list.
func piece[T any](p *part, all []T, begin, end int) {
	if p.set(all[begin:end], 1); p.err != nil {
		return
	}
	if begin > 0 {
		p.text[0] = ',' // for the bracket
	}
	if end < len(all) {
		p.text = bytes.TrimSuffix(p.text, []byte("\n  ]"))
	}
}

// part is some of plan.json, or why it could not be made. Its memory may be
// used again.
type part struct {
	plain bytes.Buffer // without spaces
	text  []byte
	err   error
}

// set makes the text of a value that stands in depth others.
func (p *part) set(v any, depth int) {
	p.plain.Reset()
	e := json.NewEncoder(&p.plain)
	e.SetEscapeHTML(false)
	p.err = e.Encode(v)
	p.text = appendIndented(p.text[:0], bytes.TrimSuffix(p.plain.Bytes(), []byte("\n")), depth)
}
