package plan

import "bytes"

// appendIndented appends what json.Indent makes, with two spaces, of a value
// that encoding/json wrote and that stands in depth others. json.Indent checks
// every byte again, which takes several times as long as encoding does.
func appendIndented(dst, src []byte, depth int) []byte {
	line := append([]byte("\n"), bytes.Repeat([]byte("  "), depth)...)
	done := 0 // how much of src is in dst
	for i := 0; i < len(src); i++ {
		switch c := src[i]; c {
		case '"':
			i = endOfString(src, i)
		case '{', '[':
			if src[i+1] == c+2 { // empty: c+2 closes what c opens
				i++
				continue
			}
			line = append(line, "  "...)
			dst = append(append(dst, src[done:i+1]...), line...)
			done = i + 1
		case '}', ']':
			line = line[:len(line)-len("  ")]
			dst = append(append(dst, src[done:i]...), line...)
			done = i
		case ',':
			dst = append(append(dst, src[done:i+1]...), line...)
			done = i + 1
		case ':':
			dst = append(append(dst, src[done:i+1]...), ' ')
			done = i + 1
		}
	}
	return append(dst, src[done:]...)
}

// endOfString is where the string ends that begins at i.
func endOfString(src []byte, i int) int {
	for {
		i += 1 + bytes.IndexByte(src[i+1:], '"')
		escapes := 0
		for src[i-1-escapes] == '\\' {
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}
