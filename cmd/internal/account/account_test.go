package account_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/rootfsgen/rootfsgen/cmd/internal/account"
	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/plantest"
	"github.com/rootfsgen/rootfsgen/runtime/earlier"
)

// plan has one image on two platforms, each on a class of its own.
func plan() *model.Plan {
	p := plantest.Plan("r.example.com/testing", '1', plantest.Image{ID: "python"})
	for n := range p.Entries {
		p.Entries[n].Runner = "spot-" + p.Entries[n].Platform.Arch
	}
	return p
}

func TestLine(t *testing.T) {
	t.Parallel()
	id := model.TargetID{Image: "python", Tag: plantest.Version, Platform: model.LinuxAMD64}
	arm := id
	arm.Platform = model.LinuxARM64
	amdOnly := earlier.Times{id: 1770}
	both := earlier.Times{id: 1770, arm: 3600}
	priced := map[string]model.Runner{"spot-amd64": {Price: 0.12, BootSeconds: 30}, "spot-arm64": {Price: 0.1}}
	half := map[string]model.Runner{"spot-amd64": {Price: 0.12, BootSeconds: 30}}
	for name, c := range map[string]struct {
		classes map[string]model.Runner
		times   earlier.Times
		want    string
	}{
		"never measured":   {priced, nil, "Time and cost: not known, as none of the 2 targets was published with its time before."},
		"all of it":        {priced, both, "Expected, from earlier runs: 90 min of machines, cost 0.16."},
		"one not measured": {priced, amdOnly, "Expected, from earlier runs: 30 min of machines, cost 0.06; and 1 target of 2 whose time is not known."},
		"no price":         {nil, both, "Expected, from earlier runs: 90 min of machines, cost not known (no price in runners)."},
		"one price":        {half, both, "Expected, from earlier runs: 90 min of machines, cost at least 0.06 (1 target without a price)."},
	} {
		bill := account.Of(plan(), c.classes, c.times)
		if got := bill.Line(); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// TestAnIdlePlanCostsNothing and says so by its silence.
func TestAnIdlePlanCostsNothing(t *testing.T) {
	t.Parallel()
	p := plan()
	for n := range p.Entries {
		p.Entries[n].Action = model.ActionNone
		p.Entries[n].Steps = map[string]string{model.StepBuild: model.StepDone, model.StepTest: model.StepDone}
	}
	bill := account.Of(p, nil, nil)
	if text := bill.Markdown(1000); text != "" {
		t.Error(text)
	}
}

// TestMarkdownIsBounded, and the names in it are no markup.
func TestMarkdownIsBounded(t *testing.T) {
	t.Parallel()
	var images []plantest.Image
	for n := range 400 {
		images = append(images, plantest.Image{ID: fmt.Sprintf("image-%d", n)})
	}
	p := plantest.Plan("r.example.com/testing", '1', images...)
	times := earlier.Times{}
	for n := range p.Entries {
		e := &p.Entries[n]
		e.Runner = "a|b\n@all"
		times[e.ID()] = 60
	}
	bill := account.Of(p, nil, times)
	text := bill.Markdown(8000)
	if len(text) > 8000 || !strings.Contains(text, " more targets | | | |\n\n</details>") && !strings.Contains(text, "more |") {
		t.Errorf("%d bytes, ending %q", len(text), text[len(text)-80:])
	}
	if strings.Contains(text, "a|b") || strings.Contains(text, "\n@all") {
		t.Errorf("the class is markup: %q", text[:600])
	}
}

// TestBuiltSaysWhatItDoesNotKnow: no size and no package is made up.
func TestBuiltSaysWhatItDoesNotKnow(t *testing.T) {
	t.Parallel()
	changes := account.Changes(map[string]string{"gone": "1", "moved": "1", "same": "1"}, map[string]string{"moved": "2", "same": "1", "new|`@all": "1"})
	b := account.Built{Image: "python", Tag: "1-2026.11.21", Before: "1-2026.11.20", Platforms: []account.Platform{
		{Platform: "linux/amd64", Size: 1_500_000, Before: 1_000_000, Packages: changes},
		{Platform: "linux/arm64", Size: 900, Before: 1000, Unknown: "it has no database of packages"},
		{Platform: "linux/s390x", Size: 2_000_000_000},
	}}
	text := b.Markdown()
	for _, want := range []string{
		"**`python`** as `1-2026.11.21`, before `1-2026.11.20`\n",
		"| `linux/amd64` | 1.5 MB | 1.0 MB | +500.0 kB (+50.0 %) | 3 packages changed |\n",
		"| `linux/arm64` | 900 B | 1.0 kB | -100 B (-10.0 %) | not known: it has no database of packages |\n",
		"| `linux/s390x` | 2.00 GB | not known | not known |",
		"- `gone` `1 removed`\n- `moved` `1 -> 2`\n", "`1 added`",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("no %q in\n%s", want, text)
		}
	}
	if strings.Contains(text, "new|") || strings.Contains(text, "`@all") {
		t.Errorf("a name is markup:\n%s", text)
	}
}
