package diag

import "testing"

func TestNearest(t *testing.T) {
	t.Parallel()
	known := []string{"debian-base", "minimal", "python"}
	for name, want := range map[string]string{
		"pyhton": "python", "Python": "python", "minmal": "minimal", "python": "python", "ruby": "", "": "",
	} {
		if got := Nearest(name, known, 2); got != want {
			t.Errorf("Nearest(%q) = %q, want %q", name, got, want)
		}
	}
}

func TestDistance(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		a, b string
		want int
	}{{"", "", 0}, {"a", "", 1}, {"ab", "ba", 1}, {"kitten", "sitting", 3}, {"aaaaaaaaaa", "b", 9}, {"größe", "grosse", 3}} {
		if got := Distance(c.a, c.b, 9); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.a, c.b, got, c.want)
		}
		if got := Distance(c.b, c.a, 9); got != c.want {
			t.Errorf("Distance(%q, %q) = %d, want %d", c.b, c.a, got, c.want)
		}
	}
}
