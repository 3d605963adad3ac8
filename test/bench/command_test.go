package bench

import (
	"os"
	"testing"
	"time"

	"github.com/rootfsgen/rootfsgen/internal/fleetgen"
)

// BenchmarkPlan plans a generated fleet of a thousand images, without a
// registry, from cold to result.
func BenchmarkPlan(b *testing.B) {
	m := newMachine(b, fleetgen.Files(fleetgen.Options{Images: 1000}))
	m.Git("tag", "v1")
	m.Commit(map[string]string{"images/" + fleetgen.Name(5) + "/file1.txt": "another text\n"})
	var times []time.Duration
	for range 5 {
		_, took := m.run("rootfsgen", "plan", "--to", "HEAD", "--registry-state", "off", "--format", "json")
		times = append(times, took)
	}
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric(median(times).Seconds(), "median-s")
	b.Log(times)
}

// BenchmarkVersion starts each program and asks for no more than its version.
func BenchmarkVersion(b *testing.B) {
	m := newMachine(b, map[string]string{"rootfsgen.yaml": "version: 1\n"})
	b.ReportMetric(0, "ns/op") // says nothing here
	for _, name := range []string{"rootfsgen", "rootfsrun"} {
		var times []time.Duration
		for range 21 {
			_, took := m.run(name, "--version")
			times = append(times, took)
		}
		b.ReportMetric(float64(median(times).Milliseconds()), name+"-ms")
		info, err := os.Stat(m.path(name))
		if err != nil {
			b.Fatal(err)
		}
		b.ReportMetric(float64(info.Size())/1e6, name+"-MB")
	}
}

// BenchmarkUnchangedPush does what the jobs of a push do when no image has
// changed, from checkout to manifest: each of the two jobs clones the repository
// as its checkout does, with all of its history and without the contents of old
// files; one plans with the registry's answer, the other writes the testing
// channel.
func BenchmarkUnchangedPush(b *testing.B) {
	files := map[string]string{}
	for _, name := range []string{"a", "b", "c", "d", "e"} {
		files["images/"+name+"/Dockerfile"] = "FROM @BUSYBOX@\nRUN echo " + name + " > /name\n"
	}
	m := newMachine(b, files)
	m.run("rootfsgen", "lock")
	m.Commit(map[string]string{"rootfsgen.yaml": "version: 1\nregistry:\n  testing: " + m.registry + "/unchanged\n"})
	_, first := m.run("rootfsrun", "run", "--to", "HEAD", "--registry", m.registry+"/unchanged")
	m.Git("config", "uploadpack.allowFilter", "true")
	planning, firstClone := m.clone()
	start := time.Now()
	plan := m.planIn(planning, m.registry+"/unchanged")
	planned := time.Since(start)
	writing, secondClone := m.clone()
	_, written := m.runIn(writing, "rootfsrun", "manifest", "--plan", plan)
	b.ReportMetric(0, "ns/op") // says nothing here
	b.ReportMetric((firstClone + secondClone).Seconds(), "checkout-s")
	b.ReportMetric((firstClone + planned + secondClone + written).Seconds(), "push-s")
	b.Logf("five images from nothing: %s; checkouts %s and %s, plan %s, manifest %s",
		rounded(first), rounded(firstClone), rounded(secondClone), rounded(planned), rounded(written))
}
