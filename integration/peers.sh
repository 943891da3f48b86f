#!/usr/bin/env bash
# Builds the receivers that tests push to: what people run in production, and no package of Debian has.
#
# They come from Go's module proxy, in the versions below, and lie outside the repository, in $INFEROMETER_PEERS
# or the user's cache; what is there already is kept. Where one cannot be built a line says so, and the tests that
# want it say that they were skipped. Arguments choose some of them: `integration/peers.sh prometheus`.
set -euo pipefail
cd "$(dirname "$0")/peers"

folder=${INFEROMETER_PEERS:-${XDG_CACHE_HOME:-$HOME/.cache}/inferometer-peers}
# Seconds for all of them together, so that a slow machine goes without the last ones instead of building for ever.
limit=${INFEROMETER_PEERS_LIMIT:-900}

prometheus=v0.316.0
# The last that Go 1.26 builds.
victoria_metrics=v1.151.0
builder=v0.165.0

go_install() { # module version package [tags]
    go install -p 2 -trimpath -ldflags '-s -w' -tags "${4:-}" "$1/$3@$2"
}

build() { # name
    case $1 in
        # Without service discovery, of which most of it is made, and without the page for people.
        prometheus) go_install github.com/prometheus/prometheus "$prometheus" cmd/prometheus netgo,remove_all_sd ;;
        victoria-metrics) go_install github.com/VictoriaMetrics/VictoriaMetrics "$victoria_metrics" app/victoria-metrics ;;
        otelcol)
            (cd "$work" && go run "go.opentelemetry.io/collector/cmd/builder@$builder" --config "$recipe" --skip-compilation)
            (cd "$work/otelcol" && go build -p 2 -trimpath -ldflags '-s -w' -o "$GOBIN/otelcol" .)
            ;;
    esac
}

version() { # name
    case $1 in
        prometheus) echo "$prometheus" ;;
        victoria-metrics) echo "$victoria_metrics" ;;
        otelcol) echo "$builder $(cksum < otelcol.yaml)" ;;
        *) echo "no peer is called $1: prometheus, victoria-metrics, otelcol" >&2; exit 2 ;;
    esac
}

missing=()
for name in "${@:-prometheus victoria-metrics otelcol}"; do
    for name in $name; do
        [ "$(cat "$folder/$name.version" 2> /dev/null)" = "$(version "$name")" ] || missing+=("$name")
    done
done
[ ${#missing[@]} -gt 0 ] || exit 0
if ! command -v go > /dev/null; then
    echo "skipped: ${missing[*]}: Go is not installed" >&2
    exit 0
fi

# What was fetched and compiled is kept until all is built, so that a build that was ended goes on from there.
work=$folder/build
mkdir -p "$folder/bin" "$work/bin"
rm -rf "$work/otelcol"
export GOPATH=$work/go GOMODCACHE=$work/go/pkg/mod GOCACHE=$work/cache GOBIN=$work/bin CGO_ENABLED=0 GOTOOLCHAIN=local
export GOFLAGS= work builder recipe=$PWD/otelcol.yaml
export -f build go_install
export prometheus victoria_metrics
for name in "${missing[@]}"; do
    echo "building $name $(version "$name")" >&2
    left=$((limit - SECONDS))
    if [ "$left" -gt 0 ] && timeout "$left" nice bash -c "set -euo pipefail; build $name" > "$work/log" 2>&1; then
        mv -f "$GOBIN/$name" "$folder/bin/$name"
        version "$name" > "$folder/$name.version"
    else
        echo "skipped: $name was not built within $limit seconds, or cannot be:" >&2
        tail -n 20 "$work/log" >&2 || true
        failed=yes
    fi
done
# Modules are written without leave to be removed.
[ -n "${failed:-}" ] || { chmod -R u+w "$work"; rm -rf "$work"; }
