// Package security holds docs/security.md to the tests that it names.
package security
