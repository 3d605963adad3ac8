package plan

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"runtime"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

// EncodeTo is Encode for a plan that may be large: it is written while it is
// made, on all processors, and never held as a whole.
func EncodeTo(w io.Writer, p *model.Plan) error {
	shell := *p
	if len(p.Entries) > 0 {
		shell.Entries = []model.Entry{}
	}
	if len(p.Indexes) > 0 {
		shell.Indexes = []model.Index{}
	}
	frame, err := marshal(&shell, "")
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	const entries, indexes = "\n  \"entries\": []", ",\n  \"indexes\": []"
	head, tail, found := strings.Cut(string(frame), entries+indexes)
	if !found || len(p.Entries) == 0 || len(p.Indexes) == 0 {
		if frame, err = marshal(p, ""); err == nil {
			_, err = w.Write(append(frame, '\n'))
		}
		if err != nil {
			return fmt.Errorf("writing the plan: %w", err)
		}
		return nil
	}
	_, err = io.WriteString(w, head+strings.TrimSuffix(entries, "]"))
	if err == nil {
		err = list(w, p.Entries)
	}
	if err == nil {
		_, err = io.WriteString(w, "\n  ]"+strings.TrimSuffix(indexes, "]"))
	}
	if err == nil {
		err = list(w, p.Indexes)
	}
	if err == nil {
		_, err = io.WriteString(w, "\n  ]"+tail+"\n")
	}
	if err != nil {
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}

// marshal is how plan.json is written, without the end of its last line.
func marshal(v any, prefix string) ([]byte, error) {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	e.SetIndent(prefix, "  ")
	err := e.Encode(v)
	return bytes.TrimSuffix(b.Bytes(), []byte("\n")), err
}

// part is a number of elements as text.
type part struct {
	text []byte
	err  error
}

// list writes the elements of a list that is not empty, each on lines of its
// own. Parts of it are made side by side and written in order.
func list[T any](w io.Writer, all []T) error {
	const share = 128
	parts := make(chan chan part, 2*runtime.GOMAXPROCS(0))
	stop := make(chan struct{})
	defer close(stop)
	go func() {
		defer close(parts)
		for begin := 0; begin < len(all); begin += share {
			made := make(chan part, 1)
			select {
			case parts <- made:
			case <-stop:
				return
			}
			go func() { made <- elements(all[begin:min(begin+share, len(all))], begin == 0) }()
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
	}
	return nil
}

func elements[T any](all []T, first bool) part {
	const lead = "    "
	var b bytes.Buffer
	for i := range all {
		if i > 0 || !first {
			b.WriteByte(',')
		}
		text, err := marshal(&all[i], lead)
		if err != nil {
			return part{err: err}
		}
		b.WriteString("\n" + lead)
		b.Write(text)
	}
	return part{text: b.Bytes()}
}
