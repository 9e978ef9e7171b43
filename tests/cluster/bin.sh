#!/usr/bin/env bash
# Fills the cache with the programs of a real Kubernetes (built from their Go modules) and prints the
# folder that holds them: kube-apiserver, kube-controller-manager, kube-scheduler, kubelet,
# kube-proxy, kubectl, coredns, helm, and pause.tar, the image of the pause container. Some ten
# minutes on two cores; does nothing, and needs no Go, when the cache is filled.
#
# MILLRACE_CACHE moves the cache (default: ~/.cache/millrace).
set -euo pipefail

# Kubernetes 1.35 and later refuse cgroup v1, and 1.36 wants containerd 2: Debian 12 has neither.
version=1.34.4
coredns=v1.15.0
helm=v3.22.0

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
home=${MILLRACE_CACHE:-$HOME/.cache/millrace}/kubernetes-$version
bin=$home/bin
programs=(kube-apiserver kube-controller-manager kube-scheduler kubelet kube-proxy kubectl)

die() {
  echo "cluster programs: $*" >&2
  exit 1
}

# build DIRECTORY NAME VERSION PACKAGE [FLAG…]: one program, in place only when it is whole; nothing
# where that version is there.
build() {
  local directory=$1 name=$2 program_version=$3 package=$4
  shift 4
  [[ $(cat "$home/$name.version" 2>/dev/null) == "$program_version" ]] && return
  echo "cluster programs: building $name $program_version" >&2
  (cd "$directory" && GOFLAGS='-mod=mod -trimpath -buildvcs=false' CGO_ENABLED=0 \
    go build "$@" -o "$bin/.$name" "$package") >&2
  mv "$bin/.$name" "$bin/$name"
  echo "$program_version" >"$home/$name.version"
}

# k8s.io/kubernetes replaces its staging modules by paths of its own tree: each is replaced by its
# published version here.
build_kubernetes() {
  local module=$work/kubernetes upstream name flags
  mkdir "$module"
  upstream=$(cd "$module" && go mod download -json "k8s.io/kubernetes@v$version" |
    sed -n 's/.*"GoMod": "\(.*\)".*/\1/p')
  {
    echo "module cluster"
    grep -m1 '^go ' "$upstream"
    echo "require k8s.io/kubernetes v$version"
    for name in "${programs[@]}"; do echo "tool k8s.io/kubernetes/cmd/$name"; done
    sed -n 's:^[[:space:]]*\(k8s\.io/[a-z0-9-]*\) => \./staging.*:\1:p' "$upstream" |
      while read -r name; do echo "replace $name => $name v0.${version#1.}"; done
  } >"$module/go.mod"
  (cd "$module" && go mod tidy) >&2
  flags="-s -w -X k8s.io/component-base/version.gitVersion=v$version"
  flags+=" -X k8s.io/component-base/version.gitMajor=1 -X k8s.io/component-base/version.gitMinor=34"
  for name in "${programs[@]}"; do
    build "$module" "$name" "$version" "k8s.io/kubernetes/cmd/$name" -ldflags "$flags"
  done
}

# CoreDNS with the plugins that node.sh configures: with all of them it takes three times as long.
build_coredns() {
  local module=$work/coredns
  mkdir "$module"
  cat >"$module/main.go" <<'GO'
package main

import (
	"github.com/coredns/coredns/coremain"
	_ "github.com/coredns/coredns/plugin/bind"
	_ "github.com/coredns/coredns/plugin/errors"
	_ "github.com/coredns/coredns/plugin/kubernetes"
)

func main() { coremain.Run() }
GO
  (cd "$module" && go mod init coredns && go get "github.com/coredns/coredns@$coredns" &&
    go mod tidy) >&2
  build "$module" coredns "$coredns" . -ldflags '-s -w'
}

build_helm() {
  local module=$work/helm
  mkdir "$module"
  (cd "$module" && go mod init helm && go get -tool "helm.sh/helm/v3/cmd/helm@$helm") >&2
  # `helm template` takes a cluster of this version for granted, and otherwise one of 1.20.
  local flags="-s -w -X helm.sh/helm/v3/internal/version.version=$helm"
  flags+=" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMajor=1"
  flags+=" -X helm.sh/helm/v3/pkg/chartutil.k8sVersionMinor=34"
  build "$module" helm "$helm" helm.sh/helm/v3/cmd/helm -ldflags "$flags"
}

# An OCI archive of one static program that waits for a signal, and reaps the pod's orphans.
build_pause() {
  local context=$work/pause
  mkdir "$context"
  gcc -static -Os -o "$context/pause" "$here/pause.c"
  printf 'FROM scratch\nCOPY pause /pause\nENTRYPOINT ["/pause"]\n' >"$context/Dockerfile"
  "$here/image.sh" localhost/pause:1 "$home/pause.tar" "$context" >&2
}

# The marker is written last, and holds what was asked for: an interrupted build, or other versions,
# build again (Go's own cache keeps what was compiled).
wanted="kubernetes $version, coredns $coredns, helm $helm, pause $(sha256sum <"$here/pause.c")"
if [[ $(cat "$home/built" 2>/dev/null) != "$wanted" ]]; then
  mkdir -p "$bin"
  exec 9>"$home/.lock"
  flock -w 3600 9 || die "another build holds $home/.lock for an hour"
  if [[ $(cat "$home/built" 2>/dev/null) != "$wanted" ]]; then
    command -v go >/dev/null ||
      die "Go is needed once, to build Kubernetes $version: install it from https://go.dev/dl"
    work=$(mktemp -d)
    trap 'rm -rf "$work"' EXIT
    build_pause
    build_kubernetes
    build_coredns
    build_helm
    echo "$wanted" >"$home/built"
  fi
fi
echo "$bin"
