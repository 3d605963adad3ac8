// Package source reads what people write: rootfsgen.yaml, the image.yaml of
// each image and images.lock, out of a tree and into a model.Fleet. It is
// strict, and it reports every mistake of every file at once, each at its
// line.
//
// One table of keys for each file (settingsFile, imageFile, lockFile) is what
// the loader, the published JSON schemas and the reference pages are made
// from, so that they cannot disagree.
package source
