// Package main breaks a rule.
package main

import (
	_ "example.com/bad/generator/source"
	_ "example.com/bad/runtime/index"
)

func main() {}
