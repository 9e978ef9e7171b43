#!/usr/bin/env bash
# Brings up a cluster that holds the product's images and runs Kafka (kafka.default.svc:9092):
#
#   up.sh PROGRAMS
#
# PROGRAMS is the folder of the built programs. `node.sh down` takes it down.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

bin=$("$cluster_scripts/bin.sh")
kafka=$("$cluster_scripts/kafka.sh")
mapfile -t product < <("$cluster_scripts/product.sh" "${1:?folder of the built programs}")
((${#product[@]})) || die "no images of the product"
"$cluster_scripts/node.sh" up
"$cluster_scripts/node.sh" import "$kafka" "${product[@]}"
"$bin/kubectl" apply -f "$cluster_scripts/kafka.yaml" >/dev/null
"$bin/kubectl" rollout status statefulset/kafka --timeout=120s >/dev/null
