#!/usr/bin/env bash
# A real Kubernetes of one node on a plain Debian machine, without Docker and without a registry: etcd,
# API server, controller manager, scheduler, kubelet on containerd and runc, kube-proxy, CoreDNS, and
# a provisioner of volumes. Root is needed.
#
#   node.sh check        says why this machine cannot run it; says nothing when it can
#   node.sh up           starts all from nothing, and waits for a Ready node
#   node.sh down         ends what `up` started, by process id, also after a crash; removes all state
#   node.sh import FILE… gives images (OCI archives) to the node
#   node.sh stop NAME    ends one part, such as apiserver
#   node.sh start NAME   starts it again
#   node.sh kill-container NAMESPACE POD   kills the first process of a pod's container
#   node.sh peak-memory NAMESPACE POD   prints the kB that process has had resident at most
#   node.sh image-size NAME   prints the bytes of all files in an image
#   node.sh kubeconfig   prints the path of the administrator's kubeconfig
#
# MILLRACE_CLUSTER_OWNER, a word given to `up`, makes `down` with such a word leave clusters of others
# alone.
set -euo pipefail
source "$(dirname "${BASH_SOURCE[0]}")/env.sh"
source "$cluster_scripts/parts.sh"

# Seconds that a part may take to come up, and to end.
up_limit=90
down_limit=10

# wait_for WHAT COMMAND…
wait_for() {
  local what=$1 began=$SECONDS
  shift
  until "$@" >/dev/null 2>&1; do
    ((SECONDS - began < up_limit)) || die "$what is not up after $up_limit s; see $state/*.log"
    sleep 0.2
  done
}

# When process $1 was started, in clock ticks; nothing when there is none. Process ids are used again.
started_at() {
  sed 's/.*) //' "/proc/$1/stat" 2>/dev/null | cut -d' ' -f20 || true
}

# start NAME: starts a part in a session of its own, so that Ctrl-C ends the caller alone.
start() {
  local name=$1 command pid
  mapfile -d '' command < <("part_$name")
  setsid "${command[@]}" >>"$state/$name.log" 2>&1 </dev/null 9>&- &
  pid=$!
  echo "$pid $(started_at "$pid")" >"$state/pids/$name"
}

# stop NAME…: asks each, with what it started, to end, in this order; kills it when it does not.
stop() {
  local name pid began waited
  for name in "$@"; do
    read -r pid began 2>/dev/null <"$state/pids/$name" || continue
    rm -f "$state/pids/$name"
    for ((waited = 0; waited < down_limit * 10; waited++)); do
      [[ -n $began && $(started_at "$pid") == "$began" ]] || continue 2
      ((waited % 10)) || kill -- "-$pid" 2>/dev/null || true
      sleep 0.1
    done
    kill -9 -- "-$pid" 2>/dev/null || true
  done
}

import() {
  local archive
  for archive in "$@"; do
    ctr -a "$state/containerd.sock" -n k8s.io images import "$archive" >/dev/null ||
      die "could not import $archive; see $state/containerd.log"
  done
}

# container_pid NAMESPACE POD: the first process of the pod's container.
container_pid() {
  local ctr=(ctr -a "$state/containerd.sock" -n k8s.io) filter container pid
  filter="labels.\"io.kubernetes.pod.namespace\"==$1,labels.\"io.kubernetes.pod.name\"==$2"
  filter+=",labels.\"io.cri-containerd.kind\"==container"
  pid=$("${ctr[@]}" containers ls -q "$filter" | while read -r container; do
    "${ctr[@]}" tasks ls | sed -n "s/^$container *\([0-9]*\) *RUNNING$/\1/p"
  done | head -n 1)
  [[ -n $pid ]] || die "pod $1/$2 runs no container"
  echo "$pid"
}

image_size() {
  local ctr=(ctr -a "$state/containerd.sock" -n k8s.io) folder
  folder=$(mktemp -d)
  "${ctr[@]}" images mount "$1" "$folder" >/dev/null || die "there is no image $1"
  du -s --apparent-size --block-size=1 "$folder" | cut -f1
  umount "$folder"
  "${ctr[@]}" snapshots rm "$folder" >/dev/null 2>&1 || true
  rmdir "$folder"
}

check() {
  ((EUID == 0)) || { echo "a cluster needs root"; return; }
  local probe=mrprobe0
  if ! ip link add "$probe" type bridge 2>/dev/null; then
    echo "this machine does not let us make a network bridge"
    return
  fi
  ip link del "$probe"
  iptables -t nat -L -n >/dev/null 2>&1 || { echo "iptables does not work here"; return; }
  [[ -w /sys/fs/cgroup ]] || { echo "/sys/fs/cgroup is read-only here"; return; }
}

up() {
  local reason
  reason=$(check)
  [[ -z $reason ]] || die "$reason"
  [[ ! -e $state ]] || die "a cluster is up, or was not taken down: make cluster-down"
  ! ip link show "$node_link" >/dev/null 2>&1 ||
    die "a cluster whose state is in another folder is up (network link $node_link)"
  bin=$("$cluster_scripts/bin.sh")
  mkdir -p "$state"/{pids,pki,cni,etcd,volumes}
  echo "${MILLRACE_CLUSTER_OWNER:-}" >"$state/owner"
  control_plane
  node
  wait_for "the default service account" "$bin/kubectl" get serviceaccount default
  "$bin/kubectl" apply -f "$cluster_scripts/defaults.yaml" >/dev/null
  start provisioner
  "$bin/kubectl" wait --for=condition=Ready node/node1 --timeout="${up_limit}s" >/dev/null
}

# The API and what runs behind it.
control_plane() {
  ip link add "$node_link" type bridge
  ip addr add "$node_ip/32" dev "$node_link"
  ip link set "$node_link" up
  sysctl -qw net.ipv4.ip_forward=1
  make_credentials
  start etcd
  start apiserver
  wait_for "the API server" "$bin/kubectl" get --raw /readyz
  start controller-manager
  start scheduler
}

# What runs pods.
node() {
  make_settings
  start containerd
  wait_for containerd ctr -a "$state/containerd.sock" version
  import "$bin/../pause.tar"
  make_cgroup
  start kubelet
  start kube-proxy
  start coredns
}

down() {
  [[ -e $state ]] || return 0
  [[ -z ${MILLRACE_CLUSTER_OWNER:-} || $(cat "$state/owner") == "$MILLRACE_CLUSTER_OWNER" ]] || return 0
  # The programs may be gone from the cache: everything below goes on without them.
  bin=$cache/kubernetes-1.34.4/bin
  stop provisioner kubelet controller-manager scheduler coredns kube-proxy
  kill_pods
  stop containerd apiserver etcd
  # No service and no canary chain stays in the machine's tables.
  "$bin/kube-proxy" --cleanup >/dev/null 2>&1 || true
  grep -o " $state[^ ]*" /proc/mounts | sort -r | xargs -r -n1 umount -l 2>/dev/null || true
  ip link del "$pod_link" 2>/dev/null || true
  ip link del "$node_link" 2>/dev/null || true
  rm -rf "$state"
}

# Containers outlive containerd: whatever runs in our control group, and the shims of our containerd.
kill_pods() {
  local round pids
  for ((round = 0; round < 20; round++)); do
    # Groups vanish while they are looked at.
    pids=$(find /sys/fs/cgroup -path "*$cgroup/*" -name cgroup.procs -exec cat {} + 2>/dev/null |
      sort -un) || true
    [[ -n $pids ]] || break
    xargs -r kill -9 <<<"$pids" 2>/dev/null || true
    sleep 0.1
  done
  pgrep -f "^[^ ]*containerd-shim[^ ]* .*$state/containerd.sock" | xargs -r kill -9 2>/dev/null || true
  find /sys/fs/cgroup -depth -type d -path "*$cgroup*" -exec rmdir {} + 2>/dev/null || true
}

# A cluster that is half up does not stay; its logs do.
failed() {
  echo "cluster: taking down what had come up; its logs are in $cache/cluster-failed" >&2
  rm -rf "$cache/cluster-failed"
  mkdir -p "$cache/cluster-failed"
  cp "$state"/*.log "$cache/cluster-failed" 2>/dev/null || true
  down
}

# One cluster goes up or down at a time.
lock() {
  mkdir -p "$cache"
  exec 9>"$cache/cluster.lock"
  flock -w 120 9 || die "another cluster is going up or down"
}

command=${1:-}
shift || true
case $command in
  check | import) "$command" "$@" ;;
  up)
    lock
    [[ -e $state ]] || trap '(($? == 0)) || failed' EXIT
    up
    ;;
  down)
    lock
    down
    ;;
  kill-container) kill -9 "$(container_pid "$@")" ;;
  peak-memory) sed -n 's/^VmHWM:[[:space:]]*\([0-9]*\) kB$/\1/p' "/proc/$(container_pid "$@")/status" ;;
  image-size) image_size "$@" ;;
  kubeconfig) echo "$KUBECONFIG" ;;
  start | stop)
    bin=$("$cluster_scripts/bin.sh")
    "$command" "$@"
    ;;
  *) die "usage: node.sh check|up|down|import|start|stop|kill-container|peak-memory|image-size|kubeconfig" ;;
esac
