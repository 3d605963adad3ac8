package key

// Group is the lines of a form that are of one kind.
type Group struct {
	Kind  string
	About string // what the lines are and where they come from, a sentence for people
	Lines Form
}

// about says of each kind what its lines are and where they come from.
var about = map[string]string{
	LineFormat:      "The version of the key format. It is raised when everything must be built anew.",
	LinePlatform:    "What it is built for: arch in image.yaml.",
	LineOption:      "Settings of image.yaml that change the bytes.",
	LineInstruction: "The Dockerfile as it was understood: comments, and stages that are not reached, do not count.",
	LineArgument:    "Build arguments that the Dockerfile declares and that args sets, in image.yaml or rootfsgen.yaml.",
	LineParent:      "Images of this fleet that it is built from, each by its own key.",
	LineContext:     "Which reference in the Dockerfile means which image of this fleet.",
	LineBase:        "What is outside of this fleet: images by the digest in images.lock (without one, it is not locked), packages by their version.",
	LineConfig:      "What an outside image hands on: its environment, folder, user and ONBUILD, as a digest.",
	LineFile:        "Files that an instruction can read, from the folder of the build context: mode and git object. An ignore file was applied.",
	LineInput:       "Files below inputs in image.yaml, from the root of the repository.",
}

// Groups are the lines of a form by kind, in the order of the form.
func (f Form) Groups() []Group {
	var out []Group
	for _, l := range f {
		if n := len(out); n == 0 || out[n-1].Kind != l.Kind {
			out = append(out, Group{Kind: l.Kind, About: about[l.Kind]})
		}
		last := &out[len(out)-1]
		last.Lines = append(last.Lines, l)
	}
	return out
}

// Shown is the line for people: as String has it, but without what is kept
// secret, and with the place in the tree where the line's own name is another.
func (l Line) Shown() string {
	switch {
	case l.Kind == LineArgument && Secret(l.Name):
		l.Value = hiddenValue
	case l.Kind == LineInstruction:
		l.Value = Redact(l.Value)
	}
	s := l.String()
	if l.Kind == LineFile && l.Path != l.Name {
		s += "  (" + l.Path + ")"
	}
	return s
}
