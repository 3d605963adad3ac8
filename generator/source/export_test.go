package source

import "encoding/json"

// Texts are all kinds of text that the tables use, for the law that loader and
// schema agree.
func Texts() map[string]Text {
	out := map[string]Text{}
	for name, t := range map[string]text{
		"any": anyText, "long": longText, "image": imageName, "repository": repository, "tag": tagText,
		"prefix": registryPrefix, "empty-prefix": emptyPrefix, "path": treePath, "argument": argumentName, "branch": branchName, "glob": tagGlob,
		"label": runnerLabel, "stage": stageName, "suite": suiteName, "package": packageName,
		"mirror": mirrorURL, "snapshot": snapshotTime, "pattern": folderPattern, "digest": digestText,
		"rooted": rootedPath, "build-file": buildFileGlob, "match": referenceMatch, "folder": referenceFolder, "group": groupName,
		"context": contextName, "context-value": contextValue, "empty-tag": emptyTag,
		"lock-target": lockTarget, "version": packageVersion, "platform": platformName, "foreign": lockText,
		"finding": findingID, "purl": purlText, "image-glob": imageGlob, "day": dateText, "reason": longReason,
	} {
		out[name] = Text{t}
	}
	return out
}

// Text is one kind of text.
type Text struct{ t text }

// Accepts tells whether the loader takes s.
func (t Text) Accepts(s string) bool { return t.t.verify(s) == nil }

// Exact tells whether the schema says all that the loader checks.
func (t Text) Exact() bool { return t.t.check == nil }

// Schema is the JSON schema of the text.
func (t Text) Schema() ([]byte, error) { return json.Marshal(t.t.schema()) }
