# For the scripts beside it: builds, finds the programs, writes results down. Sourced, not run.
# shellcheck shell=bash

cd "$(dirname "${BASH_SOURCE[0]}")/../.." || exit 1
export CARGO_TERM_COLOR=never
# What is set here would change what is measured.
unset JWT_SECRET BEDSIDE_CONFIG PORT BEDSIDE_STORE

build() { # what else to build, as arguments of cargo
    cargo build --release --package bedside --package bedside-loadtest --bins "$@"
    local target
    target=$(cargo metadata --format-version 1 --no-deps | grep -oE '"target_directory":"[^"]+"' | cut -d'"' -f4)
    release=$target/release
}

# With two cores or more the server has core 0 and the harness core 1 to itself.
pinned_harness=()
server_core=()
if command -v taskset >/dev/null && [[ $(nproc) -ge 2 ]]; then
    pinned_harness=(taskset -c 1)
    server_core=(--server-core 0)
fi

harness() {
    "${pinned_harness[@]}" "$release/bedside-loadtest" "$@"
}

# Writes what a function prints to docs/results/NAME.md, and shows it.
result() { # name, title, function, arguments ...
    local file=docs/results/$1.md title=$2 status=0
    shift 2
    mkdir -p docs/results
    {
        echo "# $title"
        echo
        echo "$(date -u +%Y-%m-%d), commit $(git rev-parse --short HEAD), $(nproc) cores," \
            "$(grep -m1 'model name' /proc/cpuinfo | cut -d: -f2 | xargs), kernel $(uname -r)," \
            "$(rustc --version | cut -d' ' -f1-2). Made by \`scripts/long/${0##*/}\`."
        echo
        "$@"
    } > >(tee "$file") || status=$?
    wait
    if [[ $status != 0 ]]; then
        echo "failed; what there is stands in $file" >&2
    fi
    return "$status"
}

verbatim() {
    local status=0
    echo '```text'
    "$@" 2>&1 || status=$?
    echo '```'
    return "$status"
}
