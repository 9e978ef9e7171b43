#!/usr/bin/env bash
# Installs the operator into the running cluster, with the images that product.sh made, or removes it:
#
#   operator.sh install|remove
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"

bin=$("$cluster_scripts/bin.sh")
charts=$cluster_scripts/../../charts
namespace=millrace-system

case ${1:-} in
  install)
    "$bin/helm" upgrade --install millrace-crds "$charts/millrace-crds" \
      --namespace "$namespace" --create-namespace
    "$bin/helm" upgrade --install millrace "$charts/millrace" --namespace "$namespace" \
      --values "$cluster_scripts/operator.yaml" --wait --timeout 120s
    ;;
  remove)
    "$bin/helm" uninstall millrace --namespace "$namespace" --wait
    ;;
  *) die "usage: operator.sh install|remove" ;;
esac
