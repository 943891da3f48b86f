#!/usr/bin/env bash
# Runs every fuzz target for so many seconds: fuzz/run.sh 60. Installs cargo-fuzz where it is missing.
# What is found on the way is kept in `corpus`; it begins with `seeds`.
set -euo pipefail
cd "$(dirname "$0")"

seconds=${1:-60}
command -v cargo-fuzz > /dev/null || cargo install --locked cargo-fuzz
# The sanitizers' flags are unstable ones; this lets the installed compiler take them.
export RUSTC_BOOTSTRAP=1
cargo fuzz build --fuzz-dir .
for file in fuzz_targets/*.rs; do
    target=$(basename "$file" .rs)
    mkdir -p "corpus/$target"
    cargo fuzz run --fuzz-dir . "$target" "corpus/$target" "seeds/$target" -- \
        -max_total_time="$seconds" -max_len=65536 -rss_limit_mb=2048 -malloc_limit_mb=512
done
