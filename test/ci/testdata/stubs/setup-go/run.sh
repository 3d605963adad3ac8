#!/usr/bin/env bash
# The machine's own Go must be able to be the version that the file names.
set -euo pipefail
want=$(awk '$1 == "go" { print $2; exit }' "$VERSION_FILE")
GOTOOLCHAIN=auto go version | grep -qF "go$want"
