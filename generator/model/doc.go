// Package model holds the nouns that every other package speaks: platforms,
// targets, images, fleets, plans and receipts. It depends on the standard
// library only, and its values are immutable once they are built.
package model
