#!/usr/bin/env bash
# Fills the cache with the image of Apache Kafka that runs as a pod: the base image, a JRE and the
# jars of tests/broker. Prints the OCI archive. Does nothing when it is there.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

jars=$("$cluster_scripts/../broker/fetch.sh")
base=$("$cluster_scripts/base.sh")
made_of=$(cat "$cluster_scripts/kafka/"* "$cluster_scripts/../broker/pom.xml" | sha256sum | cut -c1-12)
archive=$archives/kafka-$made_of.tar
if [[ ! -e $archive ]]; then
  echo "cluster: making the image of Kafka" >&2
  rm -f "$archives"/kafka-*.tar
  context=$(mktemp -d)
  trap 'rm -rf "$context"' EXIT
  cp "$cluster_scripts/kafka/start.sh" "$cluster_scripts/kafka/Dockerfile" "$context"
  cp -r "$jars" "$context/lib"
  BASE_ARCHIVE=$base "$cluster_scripts/image.sh" "$kafka_image" "$archive" \
    --build-arg "BASE=$base_image" "$context"
fi
echo "$archive"
