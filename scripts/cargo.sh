#!/usr/bin/env bash
# Runs cargo with these arguments. Where nobody sees cargo's progress bar, says every half minute that
# it still works: RocksDB alone is silent for ten minutes and more.
set -euo pipefail

interval=30

# The crates that rustc works on now, and the build scripts that run.
under_way() {
  ps -eo args= |
    sed -n -e 's/.*rustc --crate-name \([a-z0-9_]*\).*/\1/p' \
      -e 's:.*/build/\([a-z0-9_-]*\)-[0-9a-f]*/build-script-build.*:\1:p' |
    sort -u | head -n 4 | xargs
}

if [[ ! -t 2 ]]; then
  (
    # Waits on a pipe that nobody writes to: a `sleep` would outlive this shell and keep its output open.
    exec {silence}<> <(:)
    until read -rt "$interval" -u "$silence"; do
      echo "    cargo $1: $((SECONDS / 60)) min $((SECONDS % 60)) s, at work on: $(under_way)" >&2
    done
  ) &
  progress=$!
  trap 'kill "$progress" 2>/dev/null || true' EXIT
fi
cargo "$@"
