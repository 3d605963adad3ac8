// Package lost takes machines away: it ends jobs at chosen requests to the
// registry, without a word, and runs them again.
package lost
