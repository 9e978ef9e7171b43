#!/usr/bin/env bash
# Makes the product's images from built programs, as `make images` does, and prints their OCI archives:
#
#   product.sh PROGRAMS
#
# PROGRAMS is the folder of the built programs. Images whose programs have not changed stay.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

programs=$(cd "${1:?folder of the built programs}" && pwd)
base=$("$cluster_scripts/base.sh")
repository=$(cd "$cluster_scripts/../.." && pwd)
declare -A program_of=(
  [worker]=millrace-worker [operator]=millrace-operator
  [transaction-producer]=transaction-producer [loan-request-api]=loan-request-api
)

# The archive's name says what is in it.
archive_of() {
  local made_of
  made_of=$(cat "$programs/${program_of[$1]}" "$repository/Dockerfile" "$base" | sha256sum | cut -c1-12)
  echo "$archives/$1-$made_of.tar"
}

missing=() wanted=()
for image in worker operator transaction-producer loan-request-api; do
  [[ -e $programs/${program_of[$image]} ]] || die "$programs has no ${program_of[$image]}: make build"
  archive=$(archive_of "$image")
  wanted+=("$archive")
  [[ -e $archive ]] || missing+=("$image")
done

if ((${#missing[@]})); then
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  # A store of its own, plain files (no overlay, no user namespaces): as root in any container.
  export CONTAINERS_STORAGE_CONF=$work/storage.conf BUILDAH_ISOLATION=chroot BUILDAH_LAYERS=true
  printf '[storage]\ndriver = "vfs"\ngraphroot = "%s"\nrunroot = "%s"\n' \
    "$work/store" "$work/run" >"$work/storage.conf"
  make_images() {
    buildah pull "oci-archive:$base"
    BASE=$base_image BUILDER=buildah PREFIX=localhost/ TAG=$product_tag IMAGES="${missing[*]}" \
      PROGRAMS=$programs "$repository/scripts/images.sh"
  }
  make_images >"$work/log" 2>&1 || { tail -n 20 "$work/log" >&2; die "images are not built"; }
  for image in "${missing[@]}"; do
    case $image in worker | operator) name=millrace-$image ;; *) name=$image ;; esac
    rm -f "$archives/$image"-*.tar
    # Uncompressed: the archive is read on this machine only.
    buildah push --quiet --disable-compression "localhost/$name:$product_tag" \
      "oci-archive:$work/image.tar:localhost/$name:$product_tag" >&2
    mv "$work/image.tar" "$(archive_of "$image")"
  done
fi
printf '%s\n' "${wanted[@]}"
