#!/usr/bin/env bash
# Builds one image with buildah, without a registry, into an OCI archive:
#
#   image.sh NAME ARCHIVE [BUILDAH-ARGUMENT…] CONTEXT
#
# NAME is fully qualified (localhost/…), or containerd would ask a public registry for it. The archive
# is in place only when it is whole. BASE_ARCHIVE is the archive of the image that NAME starts from.
set -euo pipefail

name=$1 archive=$2
shift 2
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
# A store of its own, plain files (no overlay, no user namespaces): as root in any container.
buildah=(buildah --root "$work/root" --runroot "$work/run" --storage-driver vfs)

build() {
  if [[ -n ${BASE_ARCHIVE:-} ]]; then
    "${buildah[@]}" pull "oci-archive:$BASE_ARCHIVE"
  fi
  "${buildah[@]}" build --isolation chroot --pull-never -t "$name" "$@"
  # Uncompressed: the archive is read on this machine only.
  "${buildah[@]}" push --disable-compression "$name" "oci-archive:$work/image.tar:$name"
}

mkdir -p "$(dirname "$archive")"
if ! build "$@" >"$work/log" 2>&1; then
  tail -n 20 "$work/log" >&2
  echo "image: could not build $name" >&2
  exit 1
fi
mv "$work/image.tar" "$archive"
