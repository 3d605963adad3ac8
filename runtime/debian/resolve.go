package debian

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"

	"github.com/rootfsgen/rootfsgen/generator/model"
	"github.com/rootfsgen/rootfsgen/internal/tool"
	"github.com/rootfsgen/rootfsgen/runtime/flock"
	"github.com/rootfsgen/rootfsgen/runtime/tools"
)

// Resolved is what the archive has now for one root filesystem.
type Resolved struct {
	InRelease model.Digest      // of what says what is in the archive
	Packages  map[string]string // every package that would be installed -> version
}

// Resolve asks the archive which packages d needs on a platform. Nothing of
// that platform is run, and nothing of this machine's own packages is read or
// changed; the lists are kept below cache and fetched again only when they
// have changed. The error is an *ArchiveError where the archive is the cause.
//
// InRelease is the SHA-256 of the suite's InRelease file; where updates belong
// to the suite, it is that of a list of all of them, "<sha256>  <address>
// <suite>" a line.
func Resolve(ctx context.Context, cache string, d model.Debian, p model.Platform) (*Resolved, error) {
	if err := Check(d); err != nil {
		return nil, err
	}
	a, unlock, err := openArchive(ctx, cache, d, p)
	if err != nil {
		return nil, err
	}
	defer unlock()
	r := &Resolved{}
	if r.InRelease, err = a.inRelease(); err != nil {
		return nil, err
	}
	if r.Packages, err = a.simulate(ctx); err != nil {
		return nil, err
	}
	return r, nil
}

// InRelease asks for the state of the archive alone.
func InRelease(ctx context.Context, cache string, d model.Debian) (model.Digest, error) {
	if err := Check(d); err != nil {
		return "", err
	}
	a, unlock, err := openArchive(ctx, cache, d, model.LinuxAMD64)
	if err != nil {
		return "", err
	}
	defer unlock()
	return a.inRelease()
}

// archive is apt with folders of its own.
type archive struct {
	dir      string
	debian   model.Debian
	platform model.Platform
	sources  []source
	config   string // path of apt.conf
	program  string // apt-get
}

// openArchive sets apt up and brings its lists to today's state. Until unlock
// is called nobody else uses the same folder.
func openArchive(ctx context.Context, cache string, d model.Debian, p model.Platform) (_ *archive, unlock func(), err error) {
	paths, err := tools.FindAll("", "apt-get")
	if err != nil {
		return nil, nil, err
	}
	if _, err := os.Stat(keyring); err != nil {
		return nil, nil, &tools.MissingError{Programs: []tools.Program{{Name: keyring, Use: "Debian's signatures", Package: "debian-archive-keyring"}}}
	}
	a := &archive{debian: d, platform: p, sources: sources(d), program: paths[0]}
	sum := sha256.Sum256([]byte(strings.Join(a.lines(), "\n")))
	dir, err := filepath.Abs(filepath.Join(cache, "lists", d.Suite+"-"+p.Arch+"-"+hex.EncodeToString(sum[:6])))
	if err != nil {
		return nil, nil, fmt.Errorf("finding the folder of package lists: %w", err)
	}
	if strings.ContainsAny(dir, "\"\n\r") {
		return nil, nil, fmt.Errorf("the folder %q cannot be named to apt", dir)
	}
	a.dir, a.config = dir, filepath.Join(dir, "apt.conf")
	if unlock, err = flock.Lock(ctx, filepath.Join(dir, "lock")); err != nil {
		return nil, nil, err
	}
	if err := a.update(ctx); err != nil {
		unlock()
		return nil, nil, err
	}
	return a, unlock, nil
}

func (a *archive) lines() []string {
	lines := make([]string, 0, len(a.sources))
	for _, s := range a.sources {
		lines = append(lines, s.line())
	}
	return lines
}

// update writes apt's settings and fetches what is new.
func (a *archive) update(ctx context.Context) error {
	for _, d := range []string{"etc/apt.conf.d", "etc/preferences.d", "state/lists/partial", "cache/archives/partial"} {
		if err := os.MkdirAll(filepath.Join(a.dir, d), 0o755); err != nil {
			return fmt.Errorf("making apt's folders: %w", err)
		}
	}
	var conf strings.Builder
	for _, line := range append(aptOptions(a.debian),
		`APT::Architecture "`+a.platform.Arch+`"`,
		`APT::Architectures "`+a.platform.Arch+`"`,
		`APT::Install-Recommends "false"`,
		`APT::Sandbox::User ""`,
		`pkgCacheGen::ForceEssential ","`, // apt itself is no essential package, though apt thinks so
		`Acquire::AllowInsecureRepositories "false"`,
		`Dir "`+a.dir+`"`,
		`Dir::State "`+filepath.Join(a.dir, "state")+`"`,
		`Dir::State::status "`+filepath.Join(a.dir, "status")+`"`,
		`Dir::Cache "`+filepath.Join(a.dir, "cache")+`"`,
		`Dir::Etc "`+filepath.Join(a.dir, "etc")+`"`,
		`Dir::Etc::SourceList "`+filepath.Join(a.dir, "sources.list")+`"`,
	) {
		conf.WriteString(line + ";\n")
	}
	for name, content := range map[string]string{
		"apt.conf": conf.String(), "sources.list": strings.Join(a.lines(), "\n") + "\n", "status": "",
	} {
		if err := os.WriteFile(filepath.Join(a.dir, name), []byte(content), 0o644); err != nil {
			return fmt.Errorf("writing apt's settings: %w", err)
		}
	}
	if _, err := a.apt(ctx, "update", "--error-on=any"); err != nil {
		return &ArchiveError{Err: err}
	}
	return nil
}

func (a *archive) apt(ctx context.Context, args ...string) ([]byte, error) {
	return tool.Command{
		Name: a.program, Args: append([]string{"-q"}, args...), Dir: a.dir,
		Env: []string{"APT_CONFIG=" + a.config, "LC_ALL=C.UTF-8", "DEBIAN_FRONTEND=noninteractive"},
	}.Output(ctx)
}

func (a *archive) inRelease() (model.Digest, error) {
	var list bytes.Buffer
	var last model.Digest
	for _, s := range a.sources {
		b, err := os.ReadFile(filepath.Join(a.dir, "state", "lists", s.indexFile()))
		if err != nil {
			return "", fmt.Errorf("reading the archive's InRelease: %w", err)
		}
		last = model.DigestOf(b)
		fmt.Fprintf(&list, "%s  %s %s\n", last.Hex(), s.uri, s.suite)
	}
	if len(a.sources) == 1 {
		return last, nil
	}
	return model.DigestOf(list.Bytes()), nil
}

// narrow is apt's pattern for packages of the suite itself, as mmdebstrap
// chooses them.
func (a *archive) narrow(which string) string {
	s := a.debian.Suite
	return "?narrow(?or(?archive(^" + s + "$),?codename(^" + s + "$)),?architecture(" + a.platform.Arch + ")," + which + ")"
}

// wanted are the packages and patterns that mmdebstrap installs for a variant.
func (a *archive) wanted() []string {
	var list []string
	priority := map[string]string{
		"": "~prequired", "minbase": "~prequired", "required": "~prequired", "buildd": "~prequired",
		"important": "?or(~prequired,~pimportant)", "debootstrap": "?or(~prequired,~pimportant)",
		"standard": "?or(~prequired,~pimportant,~pstandard)",
	}
	switch p, chosen := priority[a.debian.Variant]; {
	case chosen:
		list = append(list, a.narrow("?essential"), a.narrow(p), "apt")
	case a.debian.Variant == "essential":
		list = append(list, a.narrow("?essential"))
	case a.debian.Variant == "apt":
		list = append(list, a.narrow("?essential"), "apt")
	}
	if a.debian.Variant == "buildd" {
		list = append(list, "build-essential")
	}
	return append(list, a.debian.Packages...)
}

// installed is a line of apt's simulation, "Inst bash (5.2-1 Debian:12 [amd64])".
var installed = regexp.MustCompile(`(?m)^Inst ([a-z0-9][a-z0-9+.-]+)(?::[a-z0-9]+)? (?:\[[^\]]*\] )?\(([A-Za-z0-9.+:~-]+) `)

// simulate asks apt what it would install into an empty root.
func (a *archive) simulate(ctx context.Context) (map[string]string, error) {
	wanted := a.wanted()
	if len(wanted) == 0 {
		return nil, errors.New("no package is asked for")
	}
	if a.mergesUsr() {
		if out, err := a.apt(ctx, "--simulate", "install", "--", mergedUsr); err == nil && installed.Match(out) {
			wanted = append(wanted, mergedUsr)
		}
	}
	out, err := a.apt(ctx, append([]string{"--simulate", "install", "--"}, wanted...)...)
	if err != nil {
		return nil, fmt.Errorf("resolving packages of Debian %s: %w", a.debian.Suite, err)
	}
	packages := map[string]string{}
	for _, m := range installed.FindAllSubmatch(out, -1) {
		packages[string(m[1])] = string(m[2])
	}
	if len(packages) == 0 {
		return nil, fmt.Errorf("resolving packages of Debian %s: apt would install nothing", a.debian.Suite)
	}
	return packages, nil
}

// mergedUsr is the package that says that /bin is a link to /usr/bin. Without
// it apt would take a program that makes it so, with all of Perl.
const mergedUsr = "usr-is-merged"

// mergesUsr tells whether the links are made before anything is installed.
func (a *archive) mergesUsr() bool { return mergesUsr(a.debian.Variant) }

func mergesUsr(variant string) bool { return variant != "custom" && variant != "extract" }
