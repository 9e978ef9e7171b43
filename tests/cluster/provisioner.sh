#!/usr/bin/env bash
# Gives every pending PersistentVolumeClaim of the storage class `directories` a directory of this
# machine, and removes what was released. Runs until it is ended; started by node.sh.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
kubectl=$1

# Two watches in one stream; each line is KIND and the fields below. A watch ends now and then, and
# whenever the API server is away.
watch() {
  local kind=$1 fields=$2
  while :; do
    "$kubectl" get "$kind" --all-namespaces --watch -o "jsonpath=$kind $fields{\"\\n\"}" || true
    sleep 1
  done
}

claim_fields='{.status.phase} {.metadata.namespace} {.metadata.name} {.metadata.uid}'
claim_fields+=' {.spec.resources.requests.storage} {.spec.storageClassName}'

provision() {
  local namespace=$1 name=$2 uid=$3 size=$4
  # For any user: a hostPath volume knows no fsGroup.
  install -d -m 0777 "$state/volumes/$uid"
  "$kubectl" create -f - <<YAML || true
apiVersion: v1
kind: PersistentVolume
metadata: {name: "$uid"}
spec:
  capacity: {storage: "$size"}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: Retain
  storageClassName: directories
  claimRef: {namespace: "$namespace", name: "$name", uid: "$uid"}
  hostPath: {path: "$state/volumes/$uid", type: Directory}
YAML
}

{
  watch persistentvolumeclaims "$claim_fields" &
  watch persistentvolumes '{.status.phase} {.metadata.name}' &
  wait
} | while read -r kind phase rest; do
  case "$kind $phase $rest" in
    "persistentvolumeclaims Pending "*" directories")
      read -r namespace name uid size _ <<<"$rest"
      [[ -e $state/volumes/$uid ]] || provision "$namespace" "$name" "$uid" "$size"
      ;;
    "persistentvolumes Released "*)
      "$kubectl" delete pv "$rest" --wait=false || true
      rm -rf "${state:?}/volumes/${rest:?}"
      ;;
  esac
done
