package source

// The rules of this package's diagnostics.
const (
	RuleSyntax             = "syntax"               // not YAML
	RuleEncoding           = "encoding"             // not UTF-8 text
	RuleFileTooLarge       = "file-too-large"       // longer than is read
	RuleTooComplex         = "too-complex"          // nested too deeply, or aliases that expand to too much
	RuleTooMany            = "too-many"             // more mistakes than anybody reads
	RuleMultipleDocuments  = "multiple-documents"   // more than one YAML document
	RuleUnknownKey         = "unknown-key"          // a key that does not exist
	RuleDuplicateKey       = "duplicate-key"        // a key that is there twice
	RuleMissingKey         = "missing-key"          // a key that must be there
	RuleFirstKey           = "first-key"            // a key that must be the first
	RuleWrongType          = "wrong-type"           // a value of another kind
	RuleUnquoted           = "unquoted"             // a number or truth value where text is expected
	RuleBadValue           = "bad-value"            // a value that is not allowed
	RuleUnknownGroup       = "unknown-group"        // a group that the rule's expression does not have
	RuleDuplicateItem      = "duplicate-item"       // an item that is there twice
	RuleSharedScope        = "shared-scope"         // two scopes with one address
	RuleChannelBranch      = "channel-branch"       // channels on the branch that people work on
	RuleSigning            = "signing"              // signing or trust that could not work
	RuleNoRelease          = "no-release"           // programs of a release that is not pinned
	RuleDuplicateImage     = "duplicate-image"      // an id or repository that another image has
	RuleDuplicateTest      = "duplicate-test"       // two tests with one name
	RuleTestWithoutCommand = "test-without-command" // a test that runs nothing
	RuleNoName             = "no-name"              // a folder whose name cannot be an image's
	RuleNoBuildFile        = "no-build-file"        // a folder with nothing to build
	RuleNoEffect           = "no-effect"            // a key that means nothing beside another
	RuleNeedsSuite         = "needs-suite"          // a key that means nothing without suite
	RuleGpuPlatform        = "gpu-platform"         // a gpu image for another platform than amd64
	RuleUnknownRunner      = "unknown-runner"       // a machine class that does not exist
	RuleMissingPath        = "missing-path"         // a path that is not in the repository
	RuleMissingFile        = "missing-file"         // settings that are not there
	RuleNotAFile           = "not-a-file"           // a link where a file must be
	RuleSelfApproved       = "self-approved"        // an exception that its owner approves
	RuleLongException      = "long-exception"       // an exception that holds for longer than any may
	RuleNotRead            = "not-read"             // a file that looks as if it counted, and does not
)
