# What the scripts of the test cluster agree on; sourced by them.
#
#   MILLRACE_CACHE    cache of built programs and images (default: ~/.cache/millrace)
#   MILLRACE_CLUSTER  state of the running cluster (default: cluster/ in the cache)
#
# The state belongs on a disk: files in a tmpfs count as memory of the pods that write them, and break
# their limits. One cluster at a time on a machine: its addresses are fixed.

cluster_scripts=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cache=${MILLRACE_CACHE:-$HOME/.cache/millrace}
state=${MILLRACE_CLUSTER:-$cache/cluster}
archives=$cache/images

# Images are made on a disk too: a file system in memory may be small, or allow no devices.
export TMPDIR=$cache/tmp
mkdir -p "$TMPDIR"

# On a bridge of its own, so that pods reach the API server whatever network the machine has.
node_ip=10.243.0.1
pod_cidr=10.244.0.0/24
service_cidr=10.96.0.0/16
kubernetes_ip=10.96.0.1
dns_ip=10.96.0.10
node_link=mrnode0
pod_link=mrpods0
# All pods of this cluster, and nothing else of the machine, are in this control group.
cgroup=/millrace-cluster

base_image=localhost/debian:bookworm-slim
pause_image=localhost/pause:1
kafka_image=localhost/kafka:4.3.0
# Tag of the images made of programs built here: never that of a release.
product_tag=test

export KUBECONFIG=$state/kubeconfig

die() {
  echo "cluster: $*" >&2
  exit 1
}
