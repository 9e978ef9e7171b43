#!/usr/bin/env bash
# Builds the Kafka Streams oracle outside the checkout and prints the folder with its jars.
# Does nothing when that folder was built from these very sources, so only the first run needs Maven
# and a network.
set -euo pipefail
here=$(cd "$(dirname "$0")" && pwd)
cache=${MILLRACE_CACHE:-$HOME/.cache/millrace}
sources=$(cd "$here" && find pom.xml src -type f -print0 | sort -z | xargs -0 sha256sum | sha256sum)
out=$cache/oracle-${sources:0:12}

if [[ ! -f $out/complete ]]; then
  command -v mvn >/dev/null || { echo "error: the oracle needs Maven (apt install maven)" >&2; exit 1; }
  work=$(mktemp -d)
  trap 'rm -rf "$work"' EXIT
  echo "building the Kafka Streams oracle into $out (the first time: about 30 s) ..." >&2
  mvn -B -q -f "$here/pom.xml" -DbuildDirectory="$work" -DoutputDirectory="$work/lib" \
    compile dependency:copy-dependencies >&2
  rm -rf "$out"
  mkdir -p "$out"
  cp -r "$work/classes" "$work/lib" "$out/"
  touch "$out/complete"
fi
echo "$out"
