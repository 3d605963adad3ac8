package dockerfile

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestChecksAreLeftToBuildKit: a comment that says which checks an instruction is
// excused from stands anywhere, and changes nothing of what is built.
func TestChecksAreLeftToBuildKit(t *testing.T) {
	t.Parallel()
	const text = "FROM scratch AS a\n%[1]sARG X=1\n%[1]sLABEL x=1\n%[1]sCOPY a /\n%[1]sFROM a AS b\n%[1]sRUN echo\n"
	plain, list := resolve(t, fmt.Sprintf(text, ""), Options{})
	if len(list) > 0 {
		t.Fatal(messages(list))
	}
	for _, comment := range []string{"# check=skip=all\n", "# check=skip=JSONArgsRecommended;error=true\n", "# a word\n# check=experimental=all\n", "# check=nonsense\n"} {
		got, list := resolve(t, fmt.Sprintf(text, comment), Options{})
		if len(list) > 0 {
			t.Errorf("with %q: %s", comment, messages(list))
			continue
		}
		if d := cmp.Diff(plain.Instructions, got.Instructions); d != "" {
			t.Errorf("with %q (-without +with):\n%s", comment, d)
		}
	}
}
