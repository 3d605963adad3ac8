package model

import "strings"

// IsObjectID tells whether s is a whole name of an object of git: SHA-1 or
// SHA-256 in lower-case hexadecimal, and so nothing that git takes for an option
// or for another way to name an object.
func IsObjectID(s string) bool {
	return (len(s) == 40 || len(s) == 64) && strings.Trim(s, "0123456789abcdef") == ""
}
