package render_test

import (
	"bytes"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/render"
)

const digestOfNothing = "@sha256:e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"

func machineOptions() render.RunnersOptions {
	return render.RunnersOptions{
		Repository: "https://github.com/acme/images", Secret: "arc-github-app", URL: "https://gitlab.example.com", Project: "acme-ci", Zone: "europe-west4-a",
		Image: "r.example.com/runner" + digestOfNothing, BuildKitImage: "r.example.com/buildkit" + digestOfNothing, Families: render.DefaultFamilies(), Most: 8,
	}
}

func machineSettings() *model.Settings {
	return &model.Settings{Runners: map[string]model.Runner{
		"spot-amd64":   {GitHub: []string{"self-hosted", "linux", "x64", "spot"}, GitLab: []string{"linux", "amd64", "spot"}, Spot: true, DiskGB: 100},
		"spot-arm64":   {GitHub: []string{"self-hosted", "linux", "arm64", "spot"}, GitLab: []string{"linux", "arm64", "spot"}, Spot: true, OnDemand: "steady-arm64"},
		"steady-arm64": {GitHub: []string{"self-hosted", "linux", "arm64"}, GitLab: []string{"linux", "arm64"}},
		"small":        {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"small"}},
		"hosted":       {GitHub: []string{"ubuntu-24.04"}, GitLab: []string{"saas-linux-small-amd64"}},
	}}
}

func machines(t *testing.T, s *model.Settings, o render.RunnersOptions, forges ...string) render.Files {
	t.Helper()
	files, err := render.Runners(s, forges, o)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// TestRunners reads back what is written, with readers of its own.
func TestRunners(t *testing.T) {
	t.Parallel()
	files := machines(t, machineSettings(), machineOptions(), "gitlab", "github")
	var want []string
	for _, class := range []string{"spot-amd64", "spot-arm64", "steady-arm64"} {
		want = append(want, "github/"+class+".values.yaml", "gitlab/"+class+".toml", "google/"+class+".sh", "kubernetes/"+class+".yaml")
	}
	want = append(want, "gitlab/small.toml", "google/small.sh")
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(files))); d != "" {
		t.Fatalf("-want +got:\n%s", d)
	}
	again := machines(t, machineSettings(), machineOptions(), "github", "gitlab")
	for name, text := range files {
		if !bytes.Equal(text, again[name]) {
			t.Errorf("%s differs the second time", name)
		}
		class := strings.TrimSuffix(strings.TrimSuffix(name[strings.Index(name, "/")+1:], ".values.yaml"), ".yaml")
		switch {
		case strings.HasPrefix(name, "github/"):
			checkScaleSet(t, class, text, "")
		case strings.HasPrefix(name, "kubernetes/"):
			checkComputeClass(t, class, text)
		case strings.HasPrefix(name, "gitlab/"):
			checkRunnerConfig(t, strings.TrimSuffix(class, ".toml"), text)
		}
	}
	if sh := string(files["google/spot-arm64.sh"]); !strings.Contains(sh, "--provisioning-model=SPOT") || !strings.Contains(sh, "--default-action-on-vm-failure=do-nothing") || !strings.Contains(sh, "--machine-type=c4a-standard-4") {
		t.Error(sh)
	}
	if sh := string(files["google/steady-arm64.sh"]); strings.Contains(sh, "SPOT") {
		t.Error(sh)
	}
	o := machineOptions()
	o.BuildKit = "tcp://buildkitd-{arch}.ci:1234"
	for name, text := range machines(t, machineSettings(), o, "github") {
		if class, is := strings.CutSuffix(strings.TrimPrefix(name, "github/"), ".values.yaml"); is {
			checkScaleSet(t, class, text, "tcp://buildkitd-"+model.ClassArch(class)+".ci:1234")
		}
	}
}

type pod struct {
	AutomountServiceAccountToken *bool             `yaml:"automountServiceAccountToken"`
	NodeSelector                 map[string]string `yaml:"nodeSelector"`
	Tolerations                  []struct{ Key, Operator, Value, Effect string }
	InitContainers               []container `yaml:"initContainers"`
	Containers                   []container
	Volumes                      []struct {
		Name     string
		EmptyDir *struct{} `yaml:"emptyDir"`
	}
	TerminationGracePeriodSeconds int `yaml:"terminationGracePeriodSeconds"`
}

type container struct {
	Name, Image     string
	RestartPolicy   string `yaml:"restartPolicy"`
	Args, Command   []string
	Env             []struct{ Name, Value string }
	SecurityContext *struct {
		RunAsUser, RunAsGroup           int
		Privileged                      *bool
		SeccompProfile, AppArmorProfile struct{ Type string }
	} `yaml:"securityContext"`
	StartupProbe any `yaml:"startupProbe"`
	Resources    any
	VolumeMounts []struct {
		Name      string
		MountPath string `yaml:"mountPath"`
	} `yaml:"volumeMounts"`
}

// checkScaleSet holds a pod against what Kubernetes asks of one, and against
// what a job must not have.
func checkScaleSet(t *testing.T, class string, text []byte, host string) {
	t.Helper()
	var v struct {
		GithubConfigURL    string `yaml:"githubConfigUrl"`
		GithubConfigSecret string `yaml:"githubConfigSecret"`
		RunnerScaleSetName string `yaml:"runnerScaleSetName"`
		ScaleSetLabels     []string
		MinRunners         *int `yaml:"minRunners"`
		MaxRunners         int  `yaml:"maxRunners"`
		ListenerTemplate   struct{ Spec pod }
		Template           struct {
			Metadata struct{ Annotations map[string]string }
			Spec     pod
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	if err := d.Decode(&v); err != nil {
		t.Fatalf("%s: %v\n%s", class, err, text)
	}
	var raw map[string]any
	if err := yaml.Unmarshal(text, &raw); err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff([]any{"self-hosted", "linux"}, raw["scaleSetLabels"].([]any)[:2]); d != "" || v.RunnerScaleSetName != class || v.MinRunners == nil || *v.MinRunners != 0 || v.MaxRunners != 8 {
		t.Errorf("%s: %s", class, text)
	}
	p := v.Template.Spec
	volumes := map[string]bool{}
	for _, vol := range p.Volumes {
		volumes[vol.Name] = vol.EmptyDir != nil
	}
	mounts := map[string]bool{}
	for _, c := range append(slices.Clone(p.InitContainers), p.Containers...) {
		if !regexp.MustCompile(`@sha256:[0-9a-f]{64}$`).MatchString(c.Image) || c.Name == "" {
			t.Errorf("%s: %s has the image %q", class, c.Name, c.Image)
		}
		for _, m := range c.VolumeMounts {
			if !volumes[m.Name] {
				t.Errorf("%s: %s mounts %q, which is no empty volume", class, c.Name, m.Name)
			}
			mounts[m.MountPath] = true
		}
	}
	if p.AutomountServiceAccountToken == nil || *p.AutomountServiceAccountToken {
		t.Errorf("%s: jobs have the cluster's token", class)
	}
	if p.NodeSelector["kubernetes.io/arch"] != model.ClassArch(class) || p.NodeSelector["cloud.google.com/compute-class"] != class || p.NodeSelector["cloud.google.com/gke-spot"] != "" {
		t.Errorf("%s: nodes %v", class, p.NodeSelector)
	}
	if tainted := slices.ContainsFunc(p.Tolerations, func(x struct{ Key, Operator, Value, Effect string }) bool { return x.Key == "kubernetes.io/arch" }); tainted != strings.HasSuffix(class, "-arm64") {
		t.Errorf("%s: tolerates %v", class, p.Tolerations)
	}
	got := p.Containers[0].Env[0]
	if host != "" {
		if len(p.InitContainers) > 0 || got.Value != host {
			t.Errorf("%s: BuildKit is at %v", class, got)
		}
		return
	}
	b := p.InitContainers[0]
	s := b.SecurityContext
	if b.RestartPolicy != "Always" || s == nil || s.Privileged == nil || *s.Privileged || !slices.Contains(b.Args, "--oci-worker-no-process-sandbox") || b.StartupProbe == nil {
		t.Errorf("%s: BuildKit beside the job: %+v", class, b)
	}
	if got.Name != "BUILDKIT_HOST" || got.Value != "unix:///run/buildkit/buildkitd.sock" || !mounts["/run/buildkit"] || !slices.Contains(b.Args, got.Value) {
		t.Errorf("%s: BuildKit listens at %v, jobs look at %v", class, b.Args, got)
	}
}

func checkComputeClass(t *testing.T, class string, text []byte) {
	t.Helper()
	var c struct {
		APIVersion string `yaml:"apiVersion"`
		Kind       string
		Metadata   struct{ Name string }
		Spec       struct {
			Priorities []struct {
				MachineFamily string `yaml:"machineFamily"`
				Spot          bool
			}
			WhenUnsatisfiable string `yaml:"whenUnsatisfiable"`
		}
	}
	d := yaml.NewDecoder(bytes.NewReader(text))
	d.KnownFields(false)
	if err := d.Decode(&c); err != nil {
		t.Fatal(err)
	}
	var order []string
	for _, p := range c.Spec.Priorities {
		order = append(order, p.MachineFamily+" "+strconv.FormatBool(p.Spot))
	}
	want := map[string][]string{
		"spot-amd64": {"n2d true", "n2 true", "n2d false", "n2 false"}, "spot-arm64": {"c4a true", "t2a true", "c4a false", "t2a false"}, "steady-arm64": {"c4a false", "t2a false"},
	}[class]
	if d := cmp.Diff(want, order); d != "" || c.APIVersion != "cloud.google.com/v1" || c.Kind != "ComputeClass" || c.Metadata.Name != class || c.Spec.WhenUnsatisfiable != "DoNotScaleUp" {
		t.Errorf("%s: -want +got:\n%s\n%s", class, d, text)
	}
}

// checkRunnerConfig reads the subset of TOML that is written: tables, and keys
// of strings, numbers, truths and lists of strings.
func checkRunnerConfig(t *testing.T, class string, text []byte) {
	t.Helper()
	values, table := map[string]string{}, ""
	head := regexp.MustCompile(`^\[\[?([a-z_]+(?:\.[a-z_]+)*)\]?\]$`)
	line := regexp.MustCompile(`^([A-Za-z_]+) = ("(?:[^"\\]|\\.)*"|[0-9]+|true|false|\["(?:[^"\\]|\\.)*"\])$`)
	for l := range strings.Lines(string(text)) {
		l = strings.TrimSpace(l)
		if l == "" || strings.HasPrefix(l, "#") {
			continue
		}
		if m := head.FindStringSubmatch(l); m != nil {
			if strings.HasPrefix(l, "[[") != strings.HasSuffix(l, "]]") {
				t.Errorf("%s: %s", class, l)
			}
			table = m[1]
			continue
		}
		m := line.FindStringSubmatch(l)
		if m == nil {
			t.Fatalf("%s: no TOML: %s", class, l)
		}
		if _, twice := values[table+" "+m[1]]; twice {
			t.Errorf("%s: %s twice in %s", class, m[1], table)
		}
		values[table+" "+m[1]] = strings.Trim(m[2], `"`)
	}
	executor := "instance"
	if class == "small" {
		executor = "docker-autoscaler"
	}
	for key, want := range map[string]string{
		"runners name": class, "runners executor": executor, "runners token": "", "runners url": "https://gitlab.example.com",
		"runners.autoscaler capacity_per_instance": "1", "runners.autoscaler max_use_count": "1", "runners.autoscaler max_instances": "8", "runners.autoscaler plugin": "googlecloud:1",
		"runners.autoscaler.plugin_config name": class, "runners.autoscaler.plugin_config project": "acme-ci", "runners.autoscaler.plugin_config zone": "europe-west4-a",
		"runners.autoscaler.connector_config arch": model.ClassArch(class), "runners.autoscaler.policy idle_count": "0",
		"runners.feature_flags FF_USE_FLEETING_ACQUIRE_HEARTBEATS": "true",
		"runners.feature_flags FF_NETWORK_PER_BUILD":               "false", // else a job whose machine went away has failed, heartbeats or not
	} {
		if values[key] != want {
			t.Errorf("%s: %s is %q, want %q", class, key, values[key], want)
		}
	}
	if executor == "docker-autoscaler" && values["runners.docker privileged"] != "false" {
		t.Errorf("%s: containers are privileged", class)
	}
}

// TestRunnersAreRefused tells everything that is missing at once, and writes
// nothing that could be read as something else.
func TestRunnersAreRefused(t *testing.T) {
	t.Parallel()
	_, err := render.Runners(machineSettings(), []string{"github", "gitlab"}, render.RunnersOptions{})
	for _, flag := range []string{"--repository", "--secret", "--url", "--project", "--zone", "--image", "--buildkit-image", "--machines", "--most"} {
		if err == nil || !strings.Contains(err.Error(), flag) {
			t.Errorf("nobody asks for %s: %v", flag, err)
		}
	}
	for name, spoil := range map[string]func(*model.Settings, *render.RunnersOptions){
		"an image by its tag": func(_ *model.Settings, o *render.RunnersOptions) { o.Image = "runner:latest" },
		"a hostile project":   func(_ *model.Settings, o *render.RunnersOptions) { o.Project = "x $(touch pwned)" },
		"a hostile address":   func(_ *model.Settings, o *render.RunnersOptions) { o.URL = "https://x\"\n[runners.docker]" },
		"a family with a shell": func(_ *model.Settings, o *render.RunnersOptions) {
			o.Families = map[string][]string{"amd64": {"n2;x"}, "arm64": {"c4a"}}
		},
		"a class with a dot": func(s *model.Settings, _ *render.RunnersOptions) {
			s.Runners["spot.x"] = s.Runners["spot-amd64"]
		},
	} {
		s, o := machineSettings(), machineOptions()
		spoil(s, &o)
		if files, err := render.Runners(s, []string{"gitlab"}, o); err == nil {
			t.Errorf("%s is written: %v", name, slices.Sorted(maps.Keys(files)))
		}
	}
}
