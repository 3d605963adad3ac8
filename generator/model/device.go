package model

import (
	"slices"
)

// StepUntested is the state of a test step that no machine can carry out: the
// image needs a device, and no class of machines has it. It never counts as
// passed. It is also the state of the merge of an index that holds such an
// image, or something that is built from one.
const StepUntested = "untested"

// Device is what the tests of an image need of their machine, empty where they
// need nothing or there are none.
func (i *Image) Device() string {
	if len(i.Tests) == 0 {
		return ""
	}
	return i.NeedsDevice
}

// TestClass is the machine class that runs an image's tests on a platform,
// where they need a device; it is empty where they need none, and where no
// class has it. The class that builds the image is taken before others. Of
// these, one whose name ends in "-arm64" is of arm64 machines and any other of
// amd64 ones; the first by name is taken.
func (s *Settings) TestClass(i *Image, p Platform) string {
	device := i.Device()
	if device == "" {
		return ""
	}
	classes := s.WithDevice(device)
	if slices.Contains(classes, i.Runner) {
		return i.Runner
	}
	at := slices.IndexFunc(classes, func(class string) bool {
		return ClassArch(class) == p.Arch
	})
	if at < 0 {
		return ""
	}
	return classes[at]
}
