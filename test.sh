#!/usr/bin/env bash
# Installs what the tests need (Debian packages, a Python environment), builds, and runs all tests.
set -euo pipefail
cd "$(dirname "$0")"

packages=()
command -v cc > /dev/null || packages+=(gcc libc6-dev)
command -v curl > /dev/null || packages+=(curl)
command -v prometheus > /dev/null && command -v promtool > /dev/null || packages+=(prometheus)
command -v prometheus-node-exporter > /dev/null || packages+=(prometheus-node-exporter)
command -v victoria-metrics > /dev/null || packages+=(victoria-metrics)
command -v faketime > /dev/null || packages+=(faketime)
python3 -c 'import venv, ensurepip' 2> /dev/null || packages+=(python3-venv)
if [ ${#packages[@]} -gt 0 ]; then
    run=()
    [ "$(id -u)" -eq 0 ] || run=(sudo)
    "${run[@]}" apt-get update -qq
    # RUNLEVEL=1 keeps the packages' own services from being started.
    "${run[@]}" env DEBIAN_FRONTEND=noninteractive RUNLEVEL=1 \
        apt-get install -y -qq --no-install-recommends "${packages[@]}"
fi

environment=integration/.venv
if ! cmp -s integration/counterparts/requirements.txt "$environment/requirements.txt"; then
    python3 -m venv "$environment"
    "$environment/bin/pip" install -q -r integration/counterparts/requirements.txt
    cp integration/counterparts/requirements.txt "$environment/"
fi

# What no package has: a current Prometheus, VictoriaMetrics and OpenTelemetry Collector. Tests go without where they cannot be built.
integration/peers.sh

cargo build --workspace
INFEROMETER_COUNTERPARTS=1 cargo test --workspace "$@"
