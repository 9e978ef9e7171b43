#!/usr/bin/env bash
# Fills the cache with the base image of all others, localhost/debian:bookworm-slim: Debian with what
# the programs link, and nothing else. Prints the OCI archive. Does nothing when it is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

# Counted up when this script makes another image.
archive=$archives/debian-bookworm-slim-1.tar
if [[ ! -e $archive ]]; then
  mkdir -p "$archives"
  exec 9>"$archives/.lock"
  flock -w 1200 9 || die "another build holds $archives/.lock for 20 minutes"
fi
if [[ ! -e $archive ]]; then
  echo "cluster: making the base image $base_image (debootstrap)" >&2
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  debootstrap --variant=minbase --include=ca-certificates,libssl3,libstdc++6 bookworm "$work/root" \
    >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "debootstrap failed"; }
  # As Debian's own slim image: no manuals, translations and package lists.
  rm -rf "$work"/root/usr/share/{doc,man,info,locale,lintian,bug}/* \
    "$work"/root/var/cache/apt/* "$work"/root/var/lib/apt/lists/* "$work"/root/var/log/*
  tar -C "$work/root" --exclude=./dev/* -cf "$work/root.tar" .
  mkdir "$work/context"
  mv "$work/root.tar" "$work/context"
  printf 'FROM scratch\nADD root.tar /\nCMD ["bash"]\n' >"$work/context/Dockerfile"
  "$cluster_scripts/image.sh" "$base_image" "$archive" "$work/context"
fi
echo "$archive"
