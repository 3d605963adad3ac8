#!/usr/bin/env bash
# As the real one: an empty folder becomes a repository with one commit, and
# neither tags nor branches unless all of history is asked for.
set -euo pipefail
if [ "$CREDENTIALS" != false ] || [ -n "$REPOSITORY" ]; then
	echo "::error::this repository only, and persist-credentials: false"
	exit 1
fi
mkdir -p "$GITHUB_WORKSPACE/$FOLDER"
cd "$GITHUB_WORKSPACE/$FOLDER"
find . -mindepth 1 -delete
git init -q .
git remote add origin "$CI_ORIGIN"
if [ "$DEPTH" = 0 ]; then
	git fetch -q --tags origin '+refs/heads/*:refs/remotes/origin/*' "$REF"
else
	git fetch -q --no-tags --depth="$DEPTH" origin "$REF"
fi
git checkout -q --detach "$(git rev-parse --verify --quiet "refs/remotes/origin/$REF" || echo "$REF")"
