package render

import (
	"bytes"
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"text/template"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/generator/pipeline"
	"github.com/rootfsgen/rootfsgen/templates"
)

// RunnersOptions are what the settings do not say of the machines.
type RunnersOptions struct {
	Repository    string              // GitHub: address of the repository or organisation that has the runners
	Secret        string              // GitHub: Kubernetes secret with the app that registers them
	URL           string              // GitLab: its address
	Project, Zone string              // Google's, of GitLab's machines
	Image         string              // that jobs run in, by digest
	BuildKitImage string              // rootless BuildKit, by digest, that stands beside each job
	BuildKit      string              // address of a BuildKit that is there already, with {arch}; empty is one beside each job
	Families      map[string][]string // by architecture, machine families in order of preference
	Most          int                 // machines of a class at once
}

// DefaultFamilies are machine families of Google that have Spot machines.
func DefaultFamilies() map[string][]string {
	return map[string][]string{model.LinuxAMD64.Arch: {"n2d", "n2"}, model.LinuxARM64.Arch: {"c4a", "t2a"}}
}

// machineClass is what the templates are filled with.
type machineClass struct {
	RunnersOptions
	About      []string
	Class      string
	Labels     []string
	Arch       string
	Spot       bool
	Tainted    bool // GKE keeps nodes of this architecture for who asks for them
	DiskGB     int
	Executor   string // GitLab's
	Priorities []priority
}

type priority struct {
	Family string
	Spot   bool
}

// Disk is a quantity as Kubernetes writes it.
func (c machineClass) Disk() string { return strconv.Itoa(c.DiskGB) + "Gi" }

// BuildKitHost is where a job finds its BuildKit, of its own architecture.
func (c machineClass) BuildKitHost() string {
	return cmp.Or(strings.ReplaceAll(c.BuildKit, "{arch}", c.Arch), "unix:///run/buildkit/buildkitd.sock")
}

// BuildKitVariable is the same, as a variable of a job.
func (c machineClass) BuildKitVariable() string { return "BUILDKIT_HOST=" + c.BuildKitHost() }

// MachineType is the smallest of the first family that builds well.
func (c machineClass) MachineType() string { return c.Families[c.Arch][0] + "-standard-4" }

// Runners writes how the machines of each class that is not the forge's own
// are set up: for GitHub pods on Kubernetes that Actions Runner Controller
// starts, with nodes on Spot and on demand, for GitLab machines on Compute
// Engine that one job has to itself. The error tells everything that is
// missing or cannot be written.
func Runners(s *model.Settings, forges []string, o RunnersOptions) (Files, error) {
	var missing []error
	files := Files{}
	for _, forge := range slices.Sorted(slices.Values(forges)) {
		classes := s.OwnClasses(forge)
		if len(classes) == 0 {
			continue
		}
		for _, err := range o.check(forge) { // what both forges want is said once
			if !slices.ContainsFunc(missing, func(said error) bool { return said.Error() == err.Error() }) {
				missing = append(missing, err)
			}
		}
		if len(missing) > 0 {
			continue
		}
		for _, name := range classes {
			if !kubernetesN.MatchString(name) || strings.Contains(name, ".") {
				return nil, fmt.Errorf("class %q cannot be a name at Google: use letters, digits and -", name)
			}
			written, err := o.write(forge, o.class(name, s.Runners[name], forge))
			if err != nil {
				return nil, fmt.Errorf("writing the machines of class %s: %w", name, err)
			}
			maps.Copy(files, written)
		}
	}
	return files, errors.Join(missing...)
}

var (
	byDigest    = regexp.MustCompile(`^[a-z0-9][A-Za-z0-9._:/-]*@sha256:[0-9a-f]{64}$`)
	webAddress  = regexp.MustCompile(`^https://[A-Za-z0-9.-]+(:[0-9]+)?(/[A-Za-z0-9._-]+)*$`)
	buildkit    = regexp.MustCompile(`^(tcp|unix)://[A-Za-z0-9._:/{}-]+$`)
	googleName  = regexp.MustCompile(`^[a-z][a-z0-9:.-]{0,61}[a-z0-9]$`)
	kubernetesN = regexp.MustCompile(`^[a-z0-9]([a-z0-9.-]{0,61}[a-z0-9])?$`)
)

// check says what a forge's files still want.
func (o RunnersOptions) check(forge string) []error {
	var errs []error
	want := func(flag, value, what string, form *regexp.Regexp) {
		if !form.MatchString(value) {
			errs = append(errs, fmt.Errorf("--%s: %q is not %s", flag, value, what))
		}
	}
	if forge == pipeline.GitHub {
		want("repository", o.Repository, "the https address of a repository or organisation", webAddress)
		want("secret", o.Secret, "the name of a Kubernetes secret", kubernetesN)
	} else {
		want("url", o.URL, "the https address of a GitLab", webAddress)
		want("project", o.Project, "the id of a Google project", googleName)
		want("zone", o.Zone, "a zone of Google's", googleName)
	}
	want("image", o.Image, "an image with its digest, NAME@sha256:...", byDigest)
	if o.BuildKit != "" {
		want("buildkit", o.BuildKit, "the address of a BuildKit", buildkit)
	} else if forge == pipeline.GitHub {
		want("buildkit-image", o.BuildKitImage, "an image with its digest, NAME@sha256:...", byDigest)
	}
	for _, arch := range slices.Sorted(maps.Keys(DefaultFamilies())) {
		if len(o.Families[arch]) == 0 {
			errs = append(errs, fmt.Errorf("--machines: there is no family for %s", arch))
		}
		for _, f := range o.Families[arch] {
			want("machines", f, "a machine family", googleName)
		}
	}
	if o.Most < 1 {
		errs = append(errs, fmt.Errorf("--most: %d is no number of machines", o.Most))
	}
	return errs
}

// class is one class as its files describe it.
func (o RunnersOptions) class(name string, r model.Runner, forge string) machineClass {
	c := machineClass{RunnersOptions: o, Class: name, Labels: pipeline.Labels(r, forge), Arch: model.ClassArch(name), Spot: r.Spot, DiskGB: r.DiskGB, Executor: "instance"}
	c.Tainted = c.Arch != model.LinuxAMD64.Arch
	if r.Image != "" || name == model.RunnerSmall {
		c.Executor = "docker-autoscaler"
	}
	if r.Image != "" {
		c.Image = r.Image
	}
	for _, f := range o.Families[c.Arch] {
		if r.Spot {
			c.Priorities = append(c.Priorities, priority{f, true})
		}
	}
	for _, f := range o.Families[c.Arch] { // what Spot has sold out of is bought
		c.Priorities = append(c.Priorities, priority{f, false})
	}
	return c
}

const writtenBy = "Written by \"rootfsgen runners\" from rootfsgen.yaml; docs/guide/spot.md says how it is used."

// write lays out the files of one class.
func (o RunnersOptions) write(forge string, c machineClass) (Files, error) {
	files := Files{}
	put := func(name, tmpl string, about ...string) error {
		c.About = append([]string{writtenBy}, about...)
		text, err := fill(tmpl, c)
		if err == nil && strings.HasSuffix(tmpl, ".yaml.tmpl") {
			err = Readable(text)
		}
		files[name] = text
		return err
	}
	if forge == pipeline.GitHub {
		return files, errors.Join(
			put("github/"+c.Class+".values.yaml", "scaleset.yaml.tmpl", "Values of the chart gha-runner-scale-set: a pod for each job, without rights in the cluster."),
			put("kubernetes/"+c.Class+".yaml", "computeclass.yaml.tmpl", "The nodes of these pods, in order of preference."))
	}
	return files, errors.Join(
		put("gitlab/"+c.Class+".toml", "gitlab.toml.tmpl",
			"For gitlab-runner register --template-config, which adds the token. Its tags are the runner's in GitLab:",
			strings.Join(c.Labels, ", ")+"."),
		put("google/"+c.Class+".sh", "group.sh.tmpl", "Makes the group that the runner of this class starts its machines in; rootfsrun and what it needs are in their image."))
}

// fill fills in one template.
func fill(name string, c machineClass) ([]byte, error) {
	t, err := template.New(name).Delims("<%", "%>").Option("missingkey=error").
		Funcs(template.FuncMap{"yaml": scalar, "flow": flow, "toml": tomlString}).ParseFS(templates.Runners, "runners/"+name)
	if err != nil {
		return nil, err
	}
	var b bytes.Buffer
	if err := t.Execute(&b, c); err != nil {
		return nil, err
	}
	return b.Bytes(), nil
}

// tomlString writes a basic string, whose escapes are those of Go where it is
// plain ASCII.
func tomlString(s string) (string, error) {
	if err := checkText(s); err != nil {
		return "", err
	}
	if strings.ContainsFunc(s, func(r rune) bool { return r < ' ' || r > '~' }) {
		return "", fmt.Errorf("writing TOML: %q is not plain", s)
	}
	return strconv.Quote(s), nil
}
