// Package oracle lets BuildKit judge the keys. It draws small fleets and edits
// them, builds each target of both sides, and holds the keys against the
// digests:
//
//   - the same key is the same digest, from builds without a cache;
//   - another digest is another key, also where the digest is that of a plain
//     build, which is given every file of the context and the Dockerfile as it
//     is, and not only what the key says that it reads;
//   - the plain build and ours make the same bytes: nothing that was left out
//     of the context was needed.
//
// A build that fails must fail in both ways. So must one that kills BuildKit's
// daemon, which is started again.
//
// A case that fails is made smaller and printed as an archive of two trees.
// Every mistake that was found so is kept in testdata/misses.
//
// How often each construct of a Dockerfile was drawn is printed, and how often
// a key changed although the bytes did not.
package oracle
