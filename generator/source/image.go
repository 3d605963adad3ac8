package source

import (
	"slices"
	"time"

	"github.com/rootfsgen/rootfsgen/generator/diag"
	"github.com/rootfsgen/rootfsgen/generator/model"
)

// The names of the file that describes an image.
const (
	imageFileName = "image.yaml"
	otherFileName = "image.yml" // not read, but reported
)

// maxTimeout is the longest time that a build or a test may be given.
const maxTimeout = 24 * time.Hour

// description is image.yaml as it is written.
type description struct {
	model      model.Image
	dockerfile string
	tests      []testEntry
	matrix     []axis
	keys       map[string]pair // what was written, for checks that need more than the file
	noPlatform bool            // the axes of a matrix leave none
}

// testEntry is one item of tests.
type testEntry struct {
	model.Test
	pos    diag.Pos
	hasCmd bool
}

// mmdebstrapVariants are the sets of packages that mmdebstrap knows.
var mmdebstrapVariants = []string{"apt", "buildd", "custom", "debootstrap", "essential", "extract", "important", "minbase", "required", "standard"}

// imageFile is the table of image.yaml.
var imageFile = record[description]{name: "image.yaml", fields: slices.Concat(aboutFields, buildFields)}

// aboutFields say what an image is.
var aboutFields = []field[description]{
	{key: "id", doc: "Name of the image, unique in the fleet.", defWords: "the folder's name", shape: imageName,
		set: func(d *description, v value) { d.model.ID = v.text }},
	{key: "label", doc: "Name for people.", defWords: "the id", shape: anyText,
		set: func(d *description, v value) { d.model.Label = v.text }},
	{key: "component_version", doc: "Version of what the image is about; it begins the image's tags. Quote it.", def: "0", shape: tagText,
		set: func(d *description, v value) { d.model.ComponentVersion = v.text }},
	{key: "image_name", doc: "Repository below the registry's address.", defWords: "the id", shape: repository,
		set: func(d *description, v value) { d.model.ImageName = v.text }},
	{key: "image", doc: "Fixed reference for consumers, used where nothing was published.", shape: text{name: "a reference", max: 512, empty: true},
		set: func(d *description, v value) { d.model.Image = v.text }},
	{key: "gpu", doc: "The image needs a GPU: it is built for amd64 only.", def: false, shape: boolean{},
		set: func(d *description, v value) { d.model.GPU = v.flag }},
	{key: "arch", doc: "Architectures that the image is built for.", defWords: "amd64 and arm64; amd64 with `gpu: true`",
		shape: archList,
		set:   func(d *description, v value) { d.model.Platforms = platformsOf(v) }},
	{key: "priority", doc: "Order in the manifests, higher first.", def: 0, shape: number{min: -1e6, max: 1e6, whole: true},
		set: func(d *description, v value) { d.model.Priority = int(v.number) }},
	{key: "tags", doc: "Labels for people; not image tags.", shape: list{of: anyText, unique: true},
		set: func(d *description, v value) { d.model.Tags = v.texts() }},
	{key: "prepull", doc: "Consumers fetch the image ahead of use.", def: false, shape: boolean{},
		set: func(d *description, v value) { d.model.Prepull = v.flag }},
	{key: "description", doc: "What the image is for.", shape: longText,
		set: func(d *description, v value) { d.model.Description = v.text }},
	{key: "size_gb", doc: "Size that consumers are told, in gigabytes.", shape: number{min: 0, max: 1e6},
		set: func(d *description, v value) { d.model.SizeGB = v.number }},
	{key: "deprecated", doc: "The image should no longer be chosen.", def: false, shape: boolean{},
		set: func(d *description, v value) { d.model.Deprecated = v.flag }},
	{key: "deprecated_reason", doc: "Why, and what to use instead.", shape: longText,
		set: func(d *description, v value) { d.model.DeprecatedReason = v.text }},
	{key: "owners", doc: "Who answers for the image.", shape: list{of: anyText, unique: true},
		set: func(d *description, v value) { d.model.Owners = v.texts() }},
	deviceField,
	{key: "tests", doc: "Commands that must succeed in the built image, in this order.", shape: list{of: testShape},
		set: func(d *description, v value) {
			for _, i := range v.items {
				t, _ := i.record.(testEntry)
				t.pos = i.pos
				d.tests = append(d.tests, t)
			}
		}},
}

// buildFields say how an image is made.
var buildFields = []field[description]{
	{key: "builder", doc: "How the image is made: `dockerfile` by BuildKit, `debian` from Debian's packages alone.", def: model.BuilderDockerfile,
		shape: text{enum: []string{model.BuilderDebian, model.BuilderDockerfile}},
		set:   func(d *description, v value) { d.model.Builder = v.text }},
	{key: "dockerfile", doc: "Build file, relative to the image's folder.", defWords: "`Dockerfile`, else `Containerfile`", shape: treePath,
		set: func(d *description, v value) { d.dockerfile = v.text }},
	{key: "context", doc: "Folder that COPY and ADD read from, from the folder of rootfsgen.yaml; `.` is that folder itself. A `/` at the beginning stands for the root of the repository.", defWords: "the image's folder", shape: rootedPath,
		set: func(d *description, v value) { d.model.Context = v.text }},
	{key: "contexts", doc: "Named contexts for FROM, `COPY --from=` and `RUN --mount=from=`. A value that begins with `./`, `../` or `/` is a folder, from the folder of rootfsgen.yaml or, with `/`, from the root of the repository; any other is a reference to an image, of this fleet or from outside.",
		shape: dict{keys: contextName, of: contextValue},
		set:   func(d *description, v value) { d.model.Contexts = v.textMap() }},
	{key: "matrix", doc: "Several images from one folder. Each axis has values, and each combination of values is an image of its own: its tag is that of the folder's image with the values' suffixes, as they follow from the axes in alphabetical order.",
		shape: matrixShape,
		set:   func(d *description, v value) { d.matrix = axes(v) }},
	{key: "stage", doc: "Stage of the Dockerfile that is built.", defWords: "the last", shape: stageName,
		set: func(d *description, v value) { d.model.Stage = v.text }},
	{key: "args", doc: "Build arguments. Quote numbers.", shape: dict{keys: argumentName, of: longText},
		set: func(d *description, v value) { d.model.Args = v.textMap() }},
	secretsField,
	{key: "inputs", doc: "Further files and folders whose change rebuilds the image, from the folder of rootfsgen.yaml or, with `/`, from the root of the repository.", shape: list{of: rootedPath, unique: true},
		set: func(d *description, v value) { d.model.Inputs = v.texts() }},
	{key: "rebuild", doc: "Raise it to build the image anew.", def: 0, shape: number{min: 0, max: 1e6, whole: true},
		set: func(d *description, v value) { d.model.Rebuild = int(v.number) }},
	{key: "refresh", doc: "`archive`: a new state of the Debian archive, as `images.lock` has it for `suite`, rebuilds the image.", shape: text{enum: []string{refreshArchive}},
		set: func(d *description, v value) { d.model.Refresh = v.text }},
	{key: "suite", doc: "Debian suite, for `builder: debian` and `refresh: archive`.", shape: suiteName,
		set: func(d *description, v value) { d.model.Debian.Suite = v.text }},
	{key: "variant", doc: "Which packages mmdebstrap installs by itself, for `builder: debian`.", def: defaultVariant, shape: text{enum: mmdebstrapVariants},
		set: func(d *description, v value) { d.model.Debian.Variant = v.text }},
	{key: "packages", doc: "Debian packages beside those of the variant, for `builder: debian`.", shape: list{of: packageName, unique: true},
		set: func(d *description, v value) { d.model.Debian.Packages = slices.Sorted(slices.Values(v.texts())) }},
	{key: "mirror", doc: "Debian mirror, for `builder: debian`.", defWords: "the one that mmdebstrap knows", shape: mirrorURL,
		set: func(d *description, v value) { d.model.Debian.Mirror = v.text }},
	{key: "snapshot", doc: "Moment of snapshot.debian.org, for `builder: debian`.", defWords: "today's archive", shape: snapshotTime,
		set: func(d *description, v value) { d.model.Debian.Snapshot = v.text }},
	{key: "timeout", doc: "Longest time that a build may take.", defWords: "the runtime's default", shape: duration{max: maxTimeout},
		set: func(d *description, v value) { d.model.TimeoutSeconds = int(v.number) }},
	{key: "runner", doc: "Machine class that builds the image, one of `runners` in rootfsgen.yaml.", defWords: "the Spot class of each architecture", shape: imageName,
		set: func(d *description, v value) { d.model.Runner = v.text }},
}

const (
	refreshArchive = "archive"
	defaultVariant = "minbase"
	defaultTest    = "test"
)

var testShape = record[testEntry]{name: "a test", fields: []field[testEntry]{
	{key: "name", doc: "Name in reports.", def: defaultTest, shape: text{name: "a name", max: 100},
		set: func(t *testEntry, v value) { t.Name = v.text }},
	{key: "cmd", doc: "Command, run by `bash -lc` where the image has bash, else by `sh -lc`. A test without one is skipped.",
		shape: text{name: "a command", multiline: true, max: 64 << 10},
		set:   func(t *testEntry, v value) { t.Cmd, t.hasCmd = v.text, true }},
	{key: "timeout", doc: "Longest time that the test may take.", defWords: "the runtime's default", shape: duration{max: maxTimeout},
		set: func(t *testEntry, v value) { t.TimeoutSeconds = int(v.number) }},
}}

var archList = list{of: text{enum: []string{"amd64", "arm64"}}, scalar: true, unique: true, nonzero: true}

func platformsOf(v value) []model.Platform {
	var out []model.Platform
	for _, a := range slices.Sorted(slices.Values(v.texts())) {
		if p, err := model.ParsePlatform(a); err == nil {
			out = append(out, p)
		}
	}
	return out
}

// parseImage reads one image.yaml; ok is false when it could not be read at
// all, so that nothing is known of the image.
func parseImage(path string, content []byte, list *diag.List) (d *description, f *file, ok bool) {
	f, node, ok := openFile(path, content, maxFile, list)
	d = &description{keys: map[string]pair{}}
	if !ok || node == nil {
		return d, f, ok
	}
	if node, ok = f.resolve(node); !ok {
		return d, f, false
	}
	v, _ := imageFile.read(f, imageFile.name, node)
	if read, is := v.record.(description); is {
		read.keys = d.keys
		d = &read
	}
	for _, p := range v.pairs {
		d.keys[p.key] = p
	}
	return d, f, true
}
