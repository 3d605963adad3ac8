package imagetest_test

import (
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/runtime/imagetest"
)

func TestWriteJUnit(t *testing.T) {
	t.Parallel()
	suite := func(p model.Platform, results ...imagetest.Result) imagetest.Suite {
		return imagetest.Suite{
			Target: model.TargetID{Image: "python", Tag: "3.13", Platform: p}, Started: time.Unix(model.SourceDateEpoch, 0), Results: results,
		}
	}
	var b bytes.Buffer
	err := imagetest.WriteJUnit(&b, []imagetest.Suite{
		suite(model.LinuxARM64),
		suite(model.LinuxAMD64,
			imagetest.Result{Test: model.Test{Name: "it <runs>", Cmd: "true"}, Took: 1500 * time.Millisecond},
			imagetest.Result{Test: model.Test{Name: "it & fails", Cmd: `echo "]]>"`}, Problem: "exit code 3", Output: "a\x1b[0mb\x00\xff<"}),
	})
	if err != nil {
		t.Fatal(err)
	}
	want := `<?xml version="1.0" encoding="UTF-8"?>
<testsuites tests="2" failures="1" errors="0">
  <testsuite name="python:3.13 linux/amd64" tests="2" failures="1" errors="0" time="1.500" timestamp="2026-01-01T00:00:00">
    <testcase name="it &lt;runs&gt;" classname="python:3.13" time="1.500"></testcase>
    <testcase name="it &amp; fails" classname="python:3.13" time="0.000">
      <failure message="exit code 3">$ echo &#34;]]&gt;&#34;</failure>
      <system-out>a` + "\uFFFD[0mb\uFFFD\uFFFD" + `&lt;</system-out>
    </testcase>
  </testsuite>
  <testsuite name="python:3.13 linux/arm64" tests="0" failures="0" errors="0" time="0.000" timestamp="2026-01-01T00:00:00"></testsuite>
</testsuites>
`
	if diff := cmp.Diff(want, b.String()); diff != "" {
		t.Error(diff)
	}
}

// Whatever a test prints, the report is XML that a strict reader takes.
func FuzzWriteJUnit(f *testing.F) {
	f.Add("name", "cmd", "output", "problem")
	f.Add("\x00\x1b", "]]>", "\xff\xfe\uFFFE\U0010FFFF", "\r\n\t")
	f.Fuzz(func(t *testing.T, name, cmd, output, problem string) {
		var b bytes.Buffer
		err := imagetest.WriteJUnit(&b, []imagetest.Suite{{Results: []imagetest.Result{
			{Test: model.Test{Name: name, Cmd: cmd}, Output: output, Problem: problem},
		}}})
		if err != nil {
			t.Fatal(err)
		}
		for d := xml.NewDecoder(&b); ; {
			if _, err := d.Token(); errors.Is(err, io.EOF) {
				return
			} else if err != nil {
				t.Fatal(err)
			}
		}
	})
}
