package model

// SourceDateEpoch is the one time that a build knows, in seconds since 1970
// (2026-01-01T00:00:00Z): of the files in a context and the newest that a file
// of a layer can have. It belongs to the format of the key.
const SourceDateEpoch = 1767225600
