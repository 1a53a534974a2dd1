#!/bin/sh
# All tests with the newest versions of everything, in an environment of its own that is removed
# afterwards; the versions are printed. An hour, apart from the checks of a change.
#   sh benchmarks/newest.sh
set -eu
cd "$(dirname "$0")/.."
venv=$(mktemp -d)
trap 'rm -rf "$venv"' EXIT
make test VENV="$venv/venv" CONSTRAINTS=
"$venv/venv/bin/python" -m pip freeze --exclude-editable
