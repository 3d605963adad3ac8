// Package reads holds what a plan selects of a build context against BuildKit,
// which is given all of it: the image that is built must be the same, whatever
// lies in the context and however the Dockerfile names it.
package reads
