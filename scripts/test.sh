#!/usr/bin/env bash
# Everything that must pass. Stops at the first stage that fails; prints the time of each in the end.
set -euo pipefail
cd "$(dirname "$0")/.."

export CARGO_TARGET_DIR=${CARGO_TARGET_DIR:-$HOME/.cache/millrace/target}
flags=(--release --workspace --locked)
summary=()

# Tests write state and broker logs by the hundred; in memory they take a third of the time.
if [[ -z ${TMPDIR:-} ]] && (($(df --output=avail -k /dev/shm 2>/dev/null | tail -1) > 4000000)); then
  export TMPDIR=/dev/shm
fi

# The same random inputs in every run; fresh ones, and more: PROPTEST_RNG_SEED=7 PROPTEST_CASES=10000.
export PROPTEST_RNG_SEED=${PROPTEST_RNG_SEED:-6}

finish() {
  local status=$?
  if [[ -n ${fuzz:-} ]]; then
    kill "$fuzz" 2>/dev/null && wait "$fuzz" || true
    rm -f "$fuzz_log"
  fi
  echo
  echo "stage                      time"
  printf '%s\n' "${summary[@]}"
  [[ -z ${no_cluster:-} ]] || echo "NOT RUN: the end-to-end tests: $no_cluster"
  if ((status == 0)); then
    echo "all passed in $((SECONDS / 60)) min $((SECONDS % 60)) s"
  else
    echo "FAILED: $current"
  fi
  exit "$status"
}
trap finish EXIT

# stage NAME COMMAND…
stage() {
  current=$1
  shift
  echo
  echo "=== $current: $*"
  local began=$SECONDS status=0
  "$@" || status=$?
  local took=$((SECONDS - began))
  summary+=("$(printf '%-20s %3d min %02d s' "$current" $((took / 60)) $((took % 60)))")
  return "$status"
}

stage "set-up" scripts/setup.sh
stage "set-up (Java)" scripts/setup.sh java
stage "formatting" cargo fmt --all --check
stage "clippy" scripts/cargo.sh clippy "${flags[@]}" --all-targets -- -D warnings
stage "Kafka's jars" tests/broker/fetch.sh
# Helm for the tests of the charts, and what the end-to-end tests run on.
stage "Kubernetes" tests/cluster/bin.sh
if ((EUID == 0)); then
  stage "set-up (cluster)" scripts/setup.sh cluster
  no_cluster=$(tests/cluster/node.sh check) || no_cluster="tests/cluster/node.sh check fails"
  [[ -n $no_cluster ]] || stage "Kafka's image" tests/cluster/kafka.sh
else
  no_cluster="a cluster needs root"
fi
# Programs and tests in one call: what has to wait for one crate leaves a core to another.
stage "build" scripts/cargo.sh test "${flags[@]}" --no-run
# Random cases only compute, and most other tests wait: beside each other, and last in line for a core.
fuzz_log=$(mktemp)
nice -n 15 "$CARGO_TARGET_DIR/release/fuzz" --seed 6 --cases 4000 >"$fuzz_log" 2>&1 &
fuzz=$!
# The result of the random cases.
fuzzed() {
  local status=0
  wait "$fuzz" || status=$?
  fuzz=
  cat "$fuzz_log"
  rm "$fuzz_log"
  return "$status"
}
stage "tests" scripts/cargo.sh test "${flags[@]}"
stage "random cases" fuzzed
# Ports of its own, so that a demo may be running beside.
stage "demo" "$CARGO_TARGET_DIR/release/loan-demo" --once --http 127.0.0.1:18080 --api 127.0.0.1:18004
