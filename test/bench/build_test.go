package bench

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"
)

var (
	work   = flag.Duration("bench.work", time.Minute, "CPU work in the Dockerfile of BenchmarkBuild")
	rounds = flag.Int("bench.rounds", 5, "builds of each kind, an odd number")
)

// dockerfile does its work after it has copied a file that differs in each
// round, so that no round finds it done.
const dockerfile = `FROM @BUSYBOX@
COPY round /round
RUN --network=none head -c %d /dev/zero | sha256sum > /work && cat /round >> /work
`

// BenchmarkBuild compares our build step with raw "buildctl build" on the same
// Dockerfile, both pushing to the same registry, in turn.
func BenchmarkBuild(b *testing.B) {
	bytes := calibrate(b)
	m := newMachine(b, map[string]string{"images/digest/Dockerfile": fmt.Sprintf(dockerfile, bytes), "images/digest/round": "none\n"})
	m.run("rootfsgen", "lock")
	var ours, theirs []time.Duration
	for i := range *rounds {
		theirs = append(theirs, m.buildctl(fmt.Sprintf("raw %d", i), fmt.Sprintf("bench/raw%d", i)))
		m.Commit(map[string]string{"images/digest/round": fmt.Sprintf("ours %d\n", i)})
		plan := m.plan(m.registry + "/bench")
		_, took := m.run("rootfsrun", "build", "digest", "--platform", "linux/amd64", "--plan", plan)
		ours = append(ours, took)
	}
	ratio(b, ours, theirs)
}

// BenchmarkCached is the same where every step is in BuildKit's cache and the
// registry has no image yet: each round pushes to a repository of its own.
func BenchmarkCached(b *testing.B) {
	m := newMachine(b, map[string]string{"images/digest/Dockerfile": fmt.Sprintf(dockerfile, 1<<20), "images/digest/round": "cached\n"})
	m.run("rootfsgen", "lock")
	m.Commit(nil)
	m.buildctl("cached", "cached/raw")
	m.run("rootfsrun", "build", "digest", "--platform", "linux/amd64", "--plan", m.plan(m.registry+"/cached"))
	var ours, theirs []time.Duration
	for i := range *rounds {
		theirs = append(theirs, m.buildctl("cached", fmt.Sprintf("cached/raw%d", i)))
		plan := m.plan(fmt.Sprintf("%s/cached%d", m.registry, i))
		_, took := m.run("rootfsrun", "build", "digest", "--platform", "linux/amd64", "--plan", plan)
		ours = append(ours, took)
	}
	ratio(b, ours, theirs)
}

// buildctl builds the Dockerfile from a folder of its own and pushes it.
func (m *machine) buildctl(round, repo string) time.Duration {
	m.b.Helper()
	dir := m.b.TempDir()
	text, err := os.ReadFile(filepath.Join(m.Dir, "images/digest/Dockerfile"))
	if err != nil {
		m.b.Fatal(err)
	}
	for name, content := range map[string]string{"Dockerfile": string(text), "round": round + "\n"} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(content), 0o644); err != nil {
			m.b.Fatal(err)
		}
	}
	_, took := m.runIn(dir, "buildctl", "--addr", m.buildkit, "build", "--progress=plain", "--frontend=dockerfile.v0",
		"--local=context=.", "--local=dockerfile=.", "--opt=platform=linux/amd64",
		"--output=type=image,name="+m.registry+"/"+repo+":latest,push=true,oci-mediatypes=true")
	return took
}

// calibrate finds how many bytes this machine hashes, in a build, in the time
// that is asked for.
func calibrate(b *testing.B) int64 {
	b.Helper()
	const probe = 256 << 20
	m := newMachine(b, map[string]string{"images/digest/Dockerfile": fmt.Sprintf(dockerfile, 1)})
	idle := m.buildctl("idle", "bench/idle")
	m = newMachine(b, map[string]string{"images/digest/Dockerfile": fmt.Sprintf(dockerfile, probe)})
	busy := m.buildctl("busy", "bench/busy")
	speed := float64(probe) / max(busy-idle, time.Millisecond).Seconds()
	b.Logf("this machine hashes %.0f MB/s in a build", speed/1e6)
	return int64(speed * work.Seconds())
}
