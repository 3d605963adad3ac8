package debian

import (
	"archive/tar"
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/rootfsgen/rootfsgen/generator/model"
)

func asExit[T any](err error, target *T) bool { return errors.As(err, target) }

func TestCheck(t *testing.T) {
	t.Parallel()
	good := []model.Debian{
		{Suite: "bookworm"},
		{Suite: "trixie-backports", Variant: "buildd", Mirror: "https://mirror.example.com:8080/debian/", Packages: []string{"g++", "libc6.1-dev"}},
		{Suite: "sid", Snapshot: "20261121T000000Z"},
	}
	for _, d := range good {
		if err := Check(d); err != nil {
			t.Errorf("%+v: %v", d, err)
		}
	}
	bad := map[string]model.Debian{
		"no suite":           {},
		"option as suite":    {Suite: "--setup-hook=reboot"},
		"path as suite":      {Suite: "../../etc"},
		"two suites":         {Suite: "bookworm main"},
		"variant":            {Suite: "sid", Variant: "minbase,x"},
		"mirror's scheme":    {Suite: "sid", Mirror: "file:///etc"},
		"mirror and more":    {Suite: "sid", Mirror: "http://a.example/debian sid main\ndeb http://b.example/"},
		"mirror's options":   {Suite: "sid", Mirror: "[trusted=yes] http://a.example/debian"},
		"mirror's user":      {Suite: "sid", Mirror: "http://user:secret@a.example/"},
		"mirror's climb":     {Suite: "sid", Mirror: "http://a.example/?x=;y"},
		"snapshot":           {Suite: "sid", Snapshot: "yesterday"},
		"snapshot as path":   {Suite: "sid", Snapshot: "../20261121T000000"},
		"option as package":  {Suite: "sid", Packages: []string{"-o=x"}},
		"pattern as package": {Suite: "sid", Packages: []string{"?essential"}},
		"removed package":    {Suite: "sid", Packages: []string{"bash,apt"}},
		"file as package":    {Suite: "sid", Packages: []string{"./x.deb"}},
	}
	for name, d := range bad {
		if err := Check(d); err == nil {
			t.Errorf("%s: %+v is taken", name, d)
		}
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	const by = "deb [signed-by=/usr/share/keyrings/debian-archive-keyring.gpg] "
	for _, c := range []struct {
		debian model.Debian
		want   []string
	}{
		{model.Debian{Suite: "bookworm"}, []string{
			by + "http://deb.debian.org/debian bookworm main",
			by + "http://deb.debian.org/debian bookworm-updates main",
			by + "http://security.debian.org/debian-security bookworm-security main",
		}},
		{model.Debian{Suite: "sid"}, []string{by + "http://deb.debian.org/debian sid main"}},
		{model.Debian{Suite: "bookworm", Mirror: "https://m.example/d/"}, []string{by + "https://m.example/d bookworm main"}},
		{model.Debian{Suite: "sid", Snapshot: "20261121T000000Z"}, []string{
			by + "http://snapshot.debian.org/archive/debian/20261121T000000Z sid main",
		}},
		{model.Debian{Suite: "sid", Snapshot: "20261121T000000Z", Mirror: "http://s.example/debian"}, []string{
			by + "http://s.example/debian/20261121T000000Z sid main",
		}},
	} {
		a := archive{sources: sources(c.debian)}
		if diff := cmp.Diff(c.want, a.lines()); diff != "" {
			t.Errorf("%+v (-want +got):\n%s", c.debian, diff)
		}
	}
}

func TestIndexFile(t *testing.T) {
	t.Parallel()
	s := source{"https://m.example:8080/a_b/debian", "bookworm"}
	if got, want := s.indexFile(), "m.example:8080_a%5fb_debian_dists_bookworm_InRelease"; got != want {
		t.Errorf("got %s, want %s", got, want)
	}
}

// file is one member of an archive; a name that ends in a slash is a folder.
type file struct{ name, content, link string }

func archived(t *testing.T, files ...file) []byte {
	t.Helper()
	var b bytes.Buffer
	w := tar.NewWriter(&b)
	for _, f := range files {
		h := &tar.Header{Name: f.name, Typeflag: tar.TypeReg, Size: int64(len(f.content)), Mode: 0o644,
			Uname: "root", Gname: "root", ModTime: time.Now(), Linkname: f.link, Format: tar.FormatPAX,
			PAXRecords: map[string]string{"SCHILY.xattr.security.capability": "\x01", "SCHILY.xattr.user.x": "y"}}
		switch {
		case strings.HasSuffix(f.name, "/"):
			h.Typeflag = tar.TypeDir
		case f.link != "":
			h.Typeflag = tar.TypeLink
		}
		if err := w.WriteHeader(h); err != nil {
			t.Fatal(err)
		}
		if _, err := io.WriteString(w, f.content); err != nil {
			t.Fatal(err)
		}
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

const status = `Package: bash
Status: install ok installed
Version: 5.2-1

Package: gone
Status: deinstall ok config-files
Version: 1

Package: libc6
Status: install ok installed
Multi-Arch: same
Version: 2.36-9
`

func TestRewrite(t *testing.T) {
	t.Parallel()
	in := archived(t,
		file{name: "./"}, file{name: "./dev/"}, file{name: "./dev/null"},
		file{name: "./etc/"}, file{name: "./etc/hostname", content: "builder\n"}, file{name: "./etc/machine-id"},
		file{name: "./etc/passwd", content: "root"}, file{name: "./etc/passwd-", content: "root"},
		file{name: "./etc/resolv.conf", content: "nameserver"}, file{name: "./etc/ssh/ssh_host_rsa_key", content: "secret"},
		file{name: "./tmp/"}, file{name: "./tmp/x", content: "x"},
		file{name: "./usr/bin/perl", content: "elf"}, file{name: "./usr/bin/perl5.36", link: "./usr/bin/perl"},
		file{name: "./var/cache/apt/archives/"}, file{name: "./var/cache/apt/archives/bash.deb", content: "deb"},
		file{name: "./var/cache/debconf/config.dat-old", content: "x"}, file{name: "./var/cache/ldconfig/aux-cache", content: "x"},
		file{name: "./var/lib/apt/lists/lock"}, file{name: "./var/lib/dpkg/status", content: status},
		file{name: "./var/lib/dpkg/status-old", content: "old"}, file{name: "./var/log/"}, file{name: "./var/log/dpkg.log", content: "time"},
	)
	var out bytes.Buffer
	packages, err := rewrite(&out, bytes.NewReader(in))
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(map[string]string{"bash": "5.2-1", "libc6": "2.36-9"}, packages); diff != "" {
		t.Errorf("packages (-want +got):\n%s", diff)
	}
	var names []string
	r := tar.NewReader(&out)
	for {
		h, err := r.Next()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			t.Fatal(err)
		}
		names = append(names, strings.TrimSpace(h.Name+" "+h.Linkname))
		if h.ModTime.Unix() != model.SourceDateEpoch || h.Uname != "" || h.Gname != "" {
			t.Errorf("%s: time %s, owner %q %q", h.Name, h.ModTime, h.Uname, h.Gname)
		}
		if diff := cmp.Diff(map[string]string{"SCHILY.xattr.security.capability": "\x01"}, h.PAXRecords); diff != "" {
			t.Errorf("%s: records (-want +got):\n%s", h.Name, diff)
		}
		if h.Name == statusFile {
			b, err := io.ReadAll(r)
			if err != nil || string(b) != status {
				t.Errorf("dpkg's status is %q, %v", b, err)
			}
		}
	}
	want := []string{"dev/", "etc/", "etc/machine-id", "etc/passwd", "tmp/", "usr/bin/perl", "usr/bin/perl5.36 usr/bin/perl",
		"var/cache/apt/archives/", "var/lib/dpkg/status", "var/log/"}
	if diff := cmp.Diff(want, names); diff != "" {
		t.Errorf("files (-want +got):\n%s", diff)
	}
}

// A build that is cut off must not become a layer.
func TestRewriteCutOff(t *testing.T) {
	t.Parallel()
	in := archived(t, file{name: "./a", content: strings.Repeat("x", 4096)})
	if _, err := rewrite(io.Discard, bytes.NewReader(in[:2000])); err == nil {
		t.Error("half an archive is taken")
	}
}

func TestCompare(t *testing.T) {
	t.Parallel()
	same := map[string]string{"a": "1", "b": "2"}
	if moved := compare(same, map[string]string{"b": "2", "a": "1"}); moved != nil {
		t.Errorf("the same packages differ: %v", moved)
	}
	moved := compare(same, map[string]string{"a": "1", "b": "3", "c": "4"})
	if moved == nil {
		t.Fatal("other packages are the same")
	}
	if diff := cmp.Diff([]Difference{{"b", "2", "3"}, {"c", "", "4"}}, moved.Differences); diff != "" {
		t.Errorf("differences (-want +got):\n%s", diff)
	}
	err := moved.of(Request{Debian: model.Debian{Suite: "bookworm"}, Platform: model.LinuxARM64})
	for _, want := range []string{"bookworm", "linux/arm64", "b 2 -> 3", "c none -> 4", "rootfsgen lock --update"} {
		if !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in: %v", want, err)
		}
	}
	if len(same) != 2 {
		t.Error("comparing changed its input")
	}
}

func TestInstalledLines(t *testing.T) {
	t.Parallel()
	out := "NOTE: This is only a simulation!\n" +
		"Inst bash (5.2.15-2+b7 Debian:12.11/stable [amd64])\n" +
		"Inst libc6:arm64 [2.36-8] (1:2.36~rc1-9+deb12u10 Debian-Security:12/stable-security [arm64]) []\n" +
		"Conf bash (5.2.15-2+b7 Debian:12.11/stable [amd64])\n"
	got := map[string]string{}
	for _, m := range installed.FindAllStringSubmatch(out, -1) {
		got[m[1]] = m[2]
	}
	if diff := cmp.Diff(map[string]string{"bash": "5.2.15-2+b7", "libc6": "1:2.36~rc1-9+deb12u10"}, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
