#!/usr/bin/env bash
# Checks for what building needs, and installs the Debian packages that are missing.
#
#   setup.sh           Rust (checked), Debian packages (installed)
#   setup.sh java      Java 17 and Maven (checked): the real Kafka of the tests and the bench peer
#   setup.sh cluster   Go (checked), Debian packages (installed): the real Kubernetes of the tests
#
# MILLRACE_SKIP_SETUP=1 skips it all.
set -euo pipefail

[[ ${MILLRACE_SKIP_SETUP:-} == 1 ]] && exit 0

die() {
  echo "setup: $*" >&2
  exit 1
}

check_java() {
  command -v java >/dev/null && command -v mvn >/dev/null ||
    die "the real Kafka of the tests needs Java 17 and Maven: apt-get install openjdk-17-jre-headless maven"
  local major
  major=$(java -version 2>&1 | sed -n 's/.*version "\([0-9]*\).*/\1/p' | head -n 1)
  ((${major:-0} >= 17)) || die "the real Kafka of the tests needs Java 17 or later, found ${major:-none}"
}

check_rust() {
  command -v cargo >/dev/null || die "Rust is needed: install it from https://rustup.rs and run this again"
}

check_go() {
  command -v go >/dev/null ||
    die "the real Kubernetes of the tests is built from Go modules: install Go from https://go.dev/dl"
}

# RocksDB and librdkafka are compiled from source, RocksDB's bindings with libclang; openssl makes the
# certificates of a test.
packages=(build-essential clang cmake libclang-dev libssl-dev openssl pkg-config zlib1g-dev)
# A container runtime with its network, Kubernetes' store, and what builds images without a registry.
cluster_packages=(
  buildah conntrack containerd containernetworking-plugins debootstrap etcd-server iptables
  procps runc
)

missing_packages() {
  local package
  for package in "${packages[@]}"; do
    [[ $(dpkg-query -W -f '${db:Status-Status}' "$package" 2>/dev/null) == installed ]] || echo "$package"
  done
}

install_packages() {
  command -v dpkg-query >/dev/null && command -v apt-get >/dev/null ||
    die "this is no Debian: install what the packages ${packages[*]} hold, then run again with MILLRACE_SKIP_SETUP=1"
  local missing as_root=()
  mapfile -t missing < <(missing_packages)
  ((${#missing[@]} == 0)) && return
  if ((EUID != 0)); then
    command -v sudo >/dev/null || die "not root, and no sudo: as root, apt-get install ${missing[*]}"
    as_root=(sudo)
  fi
  echo "setup: installing Debian packages: ${missing[*]}"
  local log
  log=$(mktemp)
  if "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c \
    'apt-get update && apt-get install -y --no-install-recommends "$@"' apt "${missing[@]}" >"$log" 2>&1; then
    rm "$log"
  else
    tail -n 20 "$log" >&2
    die "apt-get failed; the whole log is in $log"
  fi
}

case ${1:-} in
  java) check_java ;;
  cluster)
    check_go
    packages=("${cluster_packages[@]}")
    install_packages
    ;;
  "")
    check_rust
    install_packages
    ;;
  *) die "unknown argument $1" ;;
esac
