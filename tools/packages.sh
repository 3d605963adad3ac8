#!/usr/bin/env bash
# Installs the Debian packages whose programs are missing, and nothing when
# none is.
#
#   tools/packages.sh PROGRAM[=PACKAGE]...
#
# PACKAGE is named where it is not called like the program.
set -euo pipefail

# Where a plain user's PATH does not look, though the programs are there.
PATH=$PATH:/usr/sbin:/sbin

missing=()
for item in "$@"; do
	program=${item%%=*}
	package=${item#*=}
	command -v "$program" >/dev/null || missing+=("$package")
done
if [ ! -e /etc/ssl/certs/ca-certificates.crt ]; then
	missing+=(ca-certificates)
fi
if [ ${#missing[@]} = 0 ]; then
	exit 0
fi

if ! command -v apt-get >/dev/null; then
	echo "this machine lacks the programs of these Debian packages, and has no apt-get to get them: ${missing[*]}" >&2
	exit 1
fi
as_root=()
if [ "$(id -u)" != 0 ]; then
	if ! command -v sudo >/dev/null; then
		echo "these Debian packages are missing; as root, run: apt-get install ${missing[*]}" >&2
		exit 1
	fi
	as_root=(sudo)
fi

echo "installing ${missing[*]}"
log=$(mktemp)
trap 'rm -f "$log"' EXIT
apt() { "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive apt-get -qq -o Acquire::Retries=3 -o DPkg::Lock::Timeout=300 "$@" >>"$log" 2>&1; }
if ! { apt update && apt install -y --no-install-recommends "${missing[@]}"; }; then
	cat "$log" >&2
	echo "installing ${missing[*]} did not work: apt-get's own words are above" >&2
	exit 1
fi
