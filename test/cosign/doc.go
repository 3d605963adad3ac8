// Package cosign lets the real cosign read what we sign, and us what it signs,
// on a real registry. Its tests have the build tag "cosign", because they need
// a program that takes minutes to compile: "make test-long" does, and runs them.
package cosign
