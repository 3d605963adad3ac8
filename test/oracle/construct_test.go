package oracle

import (
	"fmt"
	"strings"
)

// construct is something that a Dockerfile can have.
type construct struct {
	name   string
	weight int
	shell  bool // needs a stage that can run programs
	draw   func(*drawnStage)
}

// constructs are what instructions are drawn from.
func constructs() []construct {
	return []construct{
		{"copy-file", 3, false, func(s *drawnStage) {
			s.add("COPY %s %s", s.need(s.pick("file", "a.txt", "run.sh", "d/f/g.txt", ".hidden")), s.dest())
		}},
		{"copy-several", 1, false, func(s *drawnStage) { s.add("COPY %s %s", s.need("a.txt", "d/e.txt", "b.txt"), s.dest()) }},
		{"copy-folder", 3, false, (*drawnStage).folder},
		{"copy-whole", 2, false, func(s *drawnStage) { s.add("COPY %s %s", s.pick("whole", ".", "./", "/"), s.dest()) }},
		{"copy-wildcard", 3, false, (*drawnStage).wildcard},
		{"copy-json", 1, false, func(s *drawnStage) { s.add("COPY [%q, %q]", s.need("sp ace.txt"), s.dest()) }},
		{"copy-exclude", 3, false, (*drawnStage).exclude},
		{"copy-parents", 3, false, (*drawnStage).parents},
		{"copy-chmod", 1, false, func(s *drawnStage) {
			s.add("COPY --chmod=%s %s %s", s.pick("mode", "0600", "755", "go-r"), s.need(s.pick("file", "run.sh", "d/f/h.sh")), s.dest())
		}},
		{"copy-chown", 1, false, func(s *drawnStage) { s.add("COPY --chown=1000:1000 %s %s", s.need("d/e.txt"), s.dest()) }},
		{"copy-link", 1, false, func(s *drawnStage) { s.add("COPY --link %s %s", s.need("a.txt"), s.dest()) }},
		{"symlink", 3, false, (*drawnStage).symlink},
		{"add-file", 1, false, func(s *drawnStage) { s.add("ADD %s %s", s.need(s.pick("file", "a.txt", "d/e.txt")), s.dest()) }},
		{"add-folder", 1, false, func(s *drawnStage) {
			s.need("sub/e.txt")
			s.add("ADD %ssub %s", s.prefix, s.dest())
		}},
		{"add-archive", 1, false, func(s *drawnStage) { s.add("ADD %s %s", s.need("pack.tar"), s.dest()) }},
		{"add-url", 1, false, (*drawnStage).url},
		{"add-git", 1, false, (*drawnStage).git},
		{"heredoc", 2, false, (*drawnStage).heredoc},
		{"heredoc-run", 4, true, func(s *drawnStage) { s.add("RUN <<EOT\necho one > /h\necho two >> /h\nEOT") }},
		{"onbuild", 2, false, (*drawnStage).onbuild},
		{"argument-in-path", 3, false, (*drawnStage).argument},
		{"environment-in-path", 2, false, (*drawnStage).environment},
		{"platform-in-path", 2, false, (*drawnStage).platform},
		{"copy-from-stage", 2, false, (*drawnStage).fromStage},
		{"copy-from-number", 1, false, (*drawnStage).fromNumber},
		{"copy-from-image", 2, false, func(s *drawnStage) {
			if len(s.older) > 0 {
				s.use("copy-from-image")
				s.add("COPY --from=%s / %s", s.parent().name+s.pick("tag", "", ":latest", ":0"), s.dest())
			}
		}},
		{"copy-from-outside", 1, false, func(s *drawnStage) { s.add("COPY --from=%s:plain / %s", markBase, s.dest()) }},
		{"named-context-folder", 3, false, (*drawnStage).namedFolder},
		{"named-context-image", 2, false, (*drawnStage).namedImage},
		{"run", 4, true, func(s *drawnStage) { s.add("RUN ls -R /x* > /list || true") }},
		{"mount-context", 6, true, (*drawnStage).mountContext},
		{"mount-stage", 8, true, (*drawnStage).mountStage},
		{"mount-image", 6, true, (*drawnStage).mountImage},
		{"config", 1, false, func(s *drawnStage) {
			s.add("%s", s.pick("config", "WORKDIR /w", "USER 1000", "LABEL a=b", "ENTRYPOINT [\"/x/run.sh\"]", "VOLUME /v", "EXPOSE 80", "CMD a b", "STOPSIGNAL SIGINT"))
		}},
	}
}

// structural are what is not drawn as an instruction.
var structural = []string{
	"parent", "from-stage", "argument-in-from", "outside-env", "outside-plain", "outside-trigger", "onbuild-of-fleet", "unreached-stage", "stage",
	"stage-called-like-image", "from-named-context", "context-elsewhere", "ignore", "ignore-negation", "ignore-beside", "escape",
}

// conditional note their use themselves: they need something to be there.
var conditional = map[string]bool{"copy-from-image": true, "copy-from-stage": true, "copy-from-number": true, "mount-stage": true, "mount-image": true}

// instruction draws one construct.
func (s *drawnStage) instruction() {
	var from []construct
	for _, c := range constructs() {
		if c.shell && !s.shell {
			continue
		}
		for range c.weight {
			from = append(from, c)
		}
	}
	c := from[below(s.t, len(from), "construct")]
	if !conditional[c.name] {
		s.use(c.name)
	}
	c.draw(s)
}

func (s *drawnStage) folder() {
	s.need("d/e.txt", "d/f/g.txt")
	s.add("COPY %s %s", s.prefix+s.pick("folder", "d", "d/", "./d", "d/f", "d/f/../f", "d/."), s.dest())
}

func (s *drawnStage) wildcard() {
	s.need("a.txt", "d/e.txt", "d/f/g.txt")
	s.add("COPY %s %s", s.prefix+s.pick("wildcard", "*.txt", "?.txt", "[ab].txt", "d/*", "d/*/g.txt", "*/e.txt", "l*", "*", ".h*", "d*", "*/*/g.txt", "[!x]*.txt", "none*"), s.dest())
}

func (s *drawnStage) exclude() {
	s.need("a.txt", "d/e.txt", "d/f/g.txt", "d/f/h.sh")
	flag := "--exclude=" + s.pick("excluded", "*.txt", "f", "f/g.txt", "**/*.sh", "e.txt", "d/f", "d/*/g.txt", "*", "**/*.txt", "d", "!f/g.txt", "images/*/d")
	if s.oneIn(4, "two") {
		flag += " --exclude=" + s.pick("excluded too", "!d/f/g.txt", "!e.txt", "a.txt", "f/*")
	}
	verb := s.pick("verb", "COPY", "COPY", "ADD")
	s.add("%s %s %s %s", verb, flag, s.pick("from", s.prefix+"d", ".", s.prefix+"*", s.prefix+"d/f", s.prefix+"d/*"), s.dest())
}

// parents has no pattern before the pivot: whether BuildKit's client then sends
// the files there depends on links that the pattern matches, even on those that
// are ignored, which our builds never see. testdata/misses has what counts.
func (s *drawnStage) parents() {
	s.need("a.txt", "d/e.txt", "d/f/g.txt", "sub/e.txt")
	flag := "--parents"
	if s.oneIn(3, "exclude") {
		flag += " --exclude=" + s.pick("excluded", "**/e.txt", "d/f", "*.txt", "e.txt", "f")
	}
	s.add("COPY %s %s %s", flag, s.prefix+s.pick("pattern", "d/f/g.txt", "d/./f/g.txt", "./d/f", "**/*.txt", "d/*/g.txt", "./d/**/g.txt", "*/e.txt", "d", "dlink/e.txt", "*", "./d/./f", "d/./**", "sub/./f/g.txt"), s.dest())
}

func (s *drawnStage) symlink() {
	s.need("a.txt", "b.txt", "d/e.txt", "link", "dlink", "d/back")
	s.add("%s %s %s", s.pick("verb", "COPY", "COPY", "ADD"), s.prefix+s.pick("link", "link", "dlink", "dlink/", "dlink/e.txt", "d/back", "dlink/back", "dlink/*", "l*", "dl*", "dlink/f"), s.dest())
}

func (s *drawnStage) url() {
	name := s.pick("url", "one/x", "one/y.tar")
	s.add("ADD --checksum=@SUM:%s@ %s/%s %s", name, markURL, name, s.dest())
}

func (s *drawnStage) git() {
	if s.bool("by checksum") {
		s.add("ADD --checksum=%s %s#%s %s", markCommit1, markGit, markCommit1, s.dest())
		return
	}
	s.add("ADD %s#%s%s %s", markGit, s.pick("commit", markCommit1, markCommit2), s.pick("folder", "", ":sub"), s.dest())
}

func (s *drawnStage) heredoc() {
	if s.bool("raw") {
		s.add("COPY <<'EOT' %s %s\nraw $KIND\nEOT", s.need("a.txt"), s.dest())
		return
	}
	s.add("ARG KIND\nCOPY <<EOT %sh\nkind $KIND\nEOT", s.dest())
}

// onbuild is for children; only the last stage is one's parent.
func (s *drawnStage) onbuild() {
	heir := s.pick("heir", "onb.txt", "a.txt", "d/e.txt", "sub/f/g.txt")
	s.heirs = append(s.heirs, heir)
	source := heir
	if heir == "sub/f/g.txt" {
		source = s.pick("trigger", "sub", "su*", "--parents sub/f", "--exclude=*.sh sub", "$FOLDER")
		if source == "$FOLDER" {
			s.add("ENV FOLDER=sub")
		}
	}
	s.add("ONBUILD %s %s /onbuild%d/", s.pick("verb", "COPY", "COPY", "ADD"), source, len(s.heirs))
}

func (s *drawnStage) argument() {
	s.need("d/e.txt", "d/f/g.txt", "sub/e.txt", "a.txt", "b.txt")
	name := s.pick("argument", "PLACE", "LOCAL", "KIND")
	if s.oneIn(3, "given") {
		s.args[name] = map[string]string{"PLACE": "sub", "LOCAL": "sub", "KIND": "md"}[name]
		s.need("c.md")
	}
	switch name {
	case "KIND":
		s.add("ARG KIND\nCOPY %s?.$KIND %s", s.prefix, s.dest())
	case "LOCAL":
		s.add("ARG LOCAL=d\nCOPY %s %s", s.prefix+s.pick("path", "$LOCAL/e.txt", "${LOCAL}", "${NONE:-$LOCAL}/e.txt", "${LOCAL:+d}/f"), s.dest())
	default:
		s.add("ARG PLACE\nCOPY %s %s", s.prefix+s.pick("path", "$PLACE/e.txt", "$PLACE", "${PLACE%b}/*.txt", "${PLACE:?none}/e.txt"), s.dest())
	}
}

func (s *drawnStage) environment() {
	s.need("d/e.txt", "sub/e.txt", "a.txt")
	if s.bool("own") {
		s.add("ENV FOLDER=%s", s.pick("value", "d", "sub"))
		s.add("COPY %s$FOLDER/e.txt %s", s.prefix, s.dest())
		return
	}
	// As the base has it, if it does.
	s.add("COPY %s %s", s.prefix+s.pick("path", "${FOLDER:-sub}/e.txt", "a.${SUFFIX:-txt}"), s.dest())
}

func (s *drawnStage) platform() {
	s.need("linux-amd64/bin", "linux-arm64/bin", "linux/amd64/x")
	if s.bool("declared") {
		s.add("ARG TARGETARCH\nCOPY %slinux-$TARGETARCH %s", s.prefix, s.dest())
		return
	}
	s.add("ARG TARGETOS TARGETARCH\nCOPY %s${TARGETOS}-${TARGETARCH}/b* %s", s.prefix, s.dest())
}

func (s *drawnStage) fromStage() {
	for _, o := range s.stages {
		if o.name != "" && s.bool("from "+o.name) {
			s.use("copy-from-stage")
			s.add("COPY --from=%s / %s", s.pick("case", o.name, strings.ToUpper(o.name)), s.dest())
			return
		}
	}
}

func (s *drawnStage) fromNumber() {
	if s.index > 0 {
		s.use("copy-from-number")
		s.add("COPY --from=%d / %s", below(s.t, s.index, "number"), s.dest())
	}
}

// show is a command that makes a file of all that is at a place.
func (s *drawnStage) show(at string) string {
	s.n++
	return fmt.Sprintf("find %s | sort > /found%d && find %s -type f | sort | xargs cat >> /found%d", at, s.n, at, s.n)
}

func (s *drawnStage) mountContext() {
	s.need("d/e.txt", "a.txt")
	switch s.pick("mount", "all", "folder", "file", "argument", "link") {
	case "all":
		s.add("RUN --mount=type=bind,target=/m %s", s.show("/m"))
	case "folder":
		s.add("RUN --mount=source=%sd,target=/m --mount=type=tmpfs,target=/t %s", s.prefix, s.show("/m/"))
	case "file":
		s.add("RUN --mount=type=bind,source=%sa.txt,target=/m %s", s.prefix, s.show("/m"))
	case "argument":
		s.add("ARG PLACE\nRUN --mount=type=bind,source=%s$PLACE,target=/m %s", s.prefix, s.show("/m/"))
	case "link":
		s.need("dlink")
		s.add("RUN --mount=type=bind,source=%sdlink,target=/m %s", s.prefix, s.show("/m/"))
	}
}

func (s *drawnStage) mountStage() {
	for _, o := range s.stages {
		if o.name != "" {
			s.use("mount-stage")
			s.add("RUN --mount=from=%s,target=/m %s", o.name, s.show("/m"))
			return
		}
	}
}

func (s *drawnStage) mountImage() {
	from := markBase + ":env"
	if len(s.older) > 0 && s.bool("of the fleet") {
		from = s.parent().name
	}
	s.use("mount-image")
	s.add("RUN --mount=from=%s,target=/m %s", from, s.show("/m"))
}

// namedFolder is a folder of the repository under a name of its own; the name
// can be that of a stage, or of an image, which it takes the place of.
func (s *drawnStage) namedFolder() {
	s.need("sub/e.txt", "sub/f/g.txt", "d/e.txt", "d/f/g.txt", "a.txt")
	name := s.pick("name", "extra", "extra", "more", "tools", "web:0")
	if _, taken := s.named[name]; !taken {
		s.named[name] = s.pick("where", "/"+s.base+"/sub", "/"+s.base+"/sub", "./"+s.base, "/"+s.base+"/d", "/images")
	}
	path := s.pick("path", ".", "e.txt", "f", "*/g.txt", "*.txt", "--exclude=f .", "--parents ./f/*.txt")
	if flag, rest, found := strings.Cut(path, " "); found {
		s.add("COPY --from=%s %s %s %s", name, flag, rest, s.dest())
		return
	}
	if s.shell && s.bool("mount") {
		s.add("RUN --mount=from=%s,target=/m %s", name, s.show("/m"))
		return
	}
	s.add("COPY --from=%s %s %s", name, path, s.dest())
}

func (s *drawnStage) namedImage() {
	name := s.pick("name", "other", "other", "build", "example.com/some:1")
	if _, taken := s.named[name]; !taken {
		s.named[name] = markBase + ":" + s.pick("outside", "plain", "env", "trigger")
		if len(s.older) > 0 && s.bool("of the fleet") {
			s.named[name] = s.parent().name
		}
	}
	s.add("COPY --from=%s / %s", name, s.dest())
}
