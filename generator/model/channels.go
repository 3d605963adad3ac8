package model

import (
	"fmt"
	"regexp"
)

// How what testing holds comes to prod.
const (
	PromotionEnvironment = "environment" // a job promotes, behind an environment that asks for approval
	PromotionRequest     = "request"     // a request edits manifest.json; merging it promotes
)

// Channels is where the channel documents are, and how prod's changes.
type Channels struct {
	Store     string // as CheckStore takes it; empty is the git branch
	Promotion string // one of the Promotion constants; empty is PromotionEnvironment
}

// ByRequest tells whether prod changes by merging a request.
func (c Channels) ByRequest() bool { return c.Promotion == PromotionRequest }

var storeForm = regexp.MustCompile(`^(?:git|(?:s3|gs)://[a-z0-9][a-z0-9._-]{1,220}[a-z0-9](?:/[A-Za-z0-9_][A-Za-z0-9_.=-]*)*|file:[A-Za-z0-9_./-]{1,400})$`)

// CheckStore tells why s cannot be where a fleet keeps its channel documents.
func CheckStore(s string) error {
	if len(s) > 700 || !storeForm.MatchString(s) {
		return fmt.Errorf("invalid store %.200q: expected git, s3://BUCKET/PREFIX, gs://BUCKET/PREFIX or file:FOLDER", s)
	}
	return nil
}
