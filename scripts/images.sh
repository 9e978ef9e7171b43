#!/usr/bin/env bash
# Builds the container images from the programs that `make build` has built on this machine.
#
#   BASE      base image (default: debian:bookworm-slim); the programs need its glibc, or a later one
#   TAG       tag of the images (default: the workspace's version)
#   PREFIX    what precedes the images' names, such as registry.example.com/ (default: localhost/)
#   BUILDER   docker, podman or buildah (default: the first that is there)
#   IMAGES    which (default: worker operator transaction-producer loan-request-api)
#   PROGRAMS  folder of the built programs (default: where `make build` puts them)
set -euo pipefail
cd "$(dirname "$0")/.."

bin=${PROGRAMS:-${CARGO_TARGET_DIR:-$HOME/.cache/millrace/target}/release}
version=$(sed -n '/^\[workspace.package\]/,/^\[/s/^version = "\(.*\)"/\1/p' Cargo.toml)
base=${BASE:-debian:bookworm-slim}
tag=${TAG:-$version}
prefix=${PREFIX-localhost/}
read -ra images <<<"${IMAGES:-worker operator transaction-producer loan-request-api}"

builder=${BUILDER:-}
for candidate in docker podman buildah; do
  [[ -z $builder ]] && command -v "$candidate" >/dev/null && builder=$candidate
done
[[ -n $builder ]] || { echo "images: no docker, podman or buildah here (BUILDER names one)" >&2; exit 1; }

# A context with the programs alone, instead of the whole checkout.
context=$(mktemp -d)
trap 'rm -rf "$context"' EXIT
mkdir "$context/bin"
for image in "${images[@]}"; do
  case $image in
    worker | operator) program=millrace-$image ;;
    *) program=$image ;;
  esac
  strip --strip-debug -o "$context/bin/$program" "$bin/$program"
done

for image in "${images[@]}"; do
  name=$prefix$image:$tag
  [[ $image == worker || $image == operator ]] && name=${prefix}millrace-$image:$tag
  echo "images: building $name on $base with $builder"
  "$builder" build --target "$image" --build-arg BINARIES=host --build-arg "BASE=$base" \
    -t "$name" -f Dockerfile "$context"
done
