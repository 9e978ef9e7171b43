# The parts of the cluster: each function prints the command of one, its words ended by zero bytes.
# Sourced by node.sh, which sets `bin`.

part_etcd() {
  printf '%s\0' etcd --data-dir "$state/etcd" --log-level warn \
    --listen-client-urls http://127.0.0.1:23790 --advertise-client-urls http://127.0.0.1:23790 \
    --listen-peer-urls http://127.0.0.1:23800 --initial-advertise-peer-urls http://127.0.0.1:23800 \
    --initial-cluster default=http://127.0.0.1:23800
}

part_apiserver() {
  printf '%s\0' "$bin/kube-apiserver" --etcd-servers=http://127.0.0.1:23790 \
    --bind-address="$node_ip" --advertise-address="$node_ip" --secure-port=6443 \
    --tls-cert-file="$state/pki/apiserver.crt" --tls-private-key-file="$state/pki/apiserver.key" \
    --service-account-key-file="$state/pki/sa.pub" \
    --service-account-signing-key-file="$state/pki/sa.key" \
    --service-account-issuer=https://kubernetes.default.svc \
    --token-auth-file="$state/pki/tokens.csv" --authorization-mode=Node,RBAC \
    --service-cluster-ip-range="$service_cidr" --kubelet-preferred-address-types=InternalIP \
    --allow-privileged=true
}

part_controller-manager() {
  printf '%s\0' "$bin/kube-controller-manager" --kubeconfig="$KUBECONFIG" \
    --service-account-private-key-file="$state/pki/sa.key" \
    --root-ca-file="$state/pki/apiserver.crt" --use-service-account-credentials=true \
    --leader-elect=false --secure-port=0
}

part_scheduler() {
  printf '%s\0' "$bin/kube-scheduler" --kubeconfig="$KUBECONFIG" --leader-elect=false \
    --secure-port=0
}

part_containerd() {
  printf '%s\0' containerd -c "$state/containerd.toml"
}

part_kubelet() {
  printf '%s\0' "$bin/kubelet" --config="$state/kubelet.yaml" --kubeconfig="$KUBECONFIG" \
    --root-dir="$state/kubelet" --hostname-override=node1 --node-ip="$node_ip"
}

part_kube-proxy() {
  printf '%s\0' "$bin/kube-proxy" --kubeconfig="$KUBECONFIG" --hostname-override=node1 \
    --proxy-mode=iptables --cluster-cidr="$pod_cidr" --conntrack-max-per-core=0 \
    --healthz-bind-address="$node_ip:10256" --metrics-bind-address="$node_ip:10249"
}

part_coredns() {
  printf '%s\0' "$bin/coredns" -conf "$state/Corefile"
}

part_provisioner() {
  printf '%s\0' "$cluster_scripts/provisioner.sh" "$bin/kubectl"
}

# The signing keys of service accounts, the API server's certificate (its own authority), and the
# token of the administrator.
make_credentials() {
  local token names
  openssl genrsa -out "$state/pki/sa.key" 2048 2>/dev/null
  openssl rsa -in "$state/pki/sa.key" -pubout -out "$state/pki/sa.pub" 2>/dev/null
  names=IP:$node_ip,IP:$kubernetes_ip,DNS:kubernetes,DNS:kubernetes.default
  names+=,DNS:kubernetes.default.svc
  openssl req -x509 -newkey rsa:2048 -nodes -days 365 -subj /CN=kubernetes \
    -addext "subjectAltName=$names" \
    -keyout "$state/pki/apiserver.key" -out "$state/pki/apiserver.crt" 2>/dev/null
  token=$(openssl rand -hex 16)
  (umask 077 && echo "$token,admin,admin,system:masters" >"$state/pki/tokens.csv")
  (umask 077 && cat >"$KUBECONFIG") <<YAML
apiVersion: v1
kind: Config
clusters:
- name: millrace
  cluster:
    server: https://$node_ip:6443
    certificate-authority-data: $(base64 -w0 "$state/pki/apiserver.crt")
users: [{name: admin, user: {token: "$token"}}]
contexts: [{name: millrace, context: {cluster: millrace, user: admin}}]
current-context: millrace
YAML
}

# A control group of our own in every hierarchy (cgroup v1 has many), for the kubelet to divide.
make_cgroup() {
  local root
  if [[ -e /sys/fs/cgroup/cgroup.controllers ]]; then
    mkdir -p "/sys/fs/cgroup$cgroup"
    return
  fi
  for root in /sys/fs/cgroup/*/; do
    mkdir -p "${root%/}$cgroup"
    # An empty set of processors or memory nodes takes no process.
    if [[ $root == */cpuset/ ]]; then
      cat "$root/cpuset.cpus" >"$root/$cgroup/cpuset.cpus"
      cat "$root/cpuset.mems" >"$root/$cgroup/cpuset.mems"
    fi
  done
}

make_settings() {
  cat >"$state/cni/10-pods.conflist" <<JSON
{"cniVersion": "0.4.0", "name": "pods", "plugins": [
  {"type": "bridge", "bridge": "$pod_link", "isGateway": true, "ipMasq": false, "hairpinMode": true,
   "ipam": {"type": "host-local", "dataDir": "$state/cni-ipam",
            "ranges": [[{"subnet": "$pod_cidr"}]], "routes": [{"dst": "0.0.0.0/0"}]}},
  {"type": "portmap", "capabilities": {"portMappings": true}}]}
JSON
  # restrict_oom_score_adj: without CAP_SYS_RESOURCE nobody can lower oom_score_adj, and runc fails
  # with "can't get final child's PID from pipe".
  cat >"$state/containerd.toml" <<TOML
version = 2
root = "$state/containerd"
state = "$state/containerd-run"
[grpc]
  address = "$state/containerd.sock"
[plugins."io.containerd.grpc.v1.cri"]
  sandbox_image = "$pause_image"
  enable_unprivileged_ports = true
  restrict_oom_score_adj = true
  [plugins."io.containerd.grpc.v1.cri".cni]
    bin_dir = "/usr/lib/cni"
    conf_dir = "$state/cni"
TOML
  echo "nameserver $dns_ip" >"$state/resolv.conf"
  # Images come from nowhere but `import`: none may be collected, whatever the disk holds.
  cat >"$state/kubelet.yaml" <<YAML
apiVersion: kubelet.config.k8s.io/v1beta1
kind: KubeletConfiguration
containerRuntimeEndpoint: unix://$state/containerd.sock
cgroupDriver: cgroupfs
cgroupRoot: $cgroup
failSwapOn: false
authentication: {anonymous: {enabled: true}, webhook: {enabled: false}}
authorization: {mode: AlwaysAllow}
address: $node_ip
healthzBindAddress: $node_ip
readOnlyPort: 0
resolvConf: $state/resolv.conf
clusterDNS: ["$dns_ip"]
clusterDomain: cluster.local
evictionHard: {memory.available: "100Mi", nodefs.available: "100Mi"}
imageGCHighThresholdPercent: 100
volumePluginDir: $state/volume-plugins
makeIPTablesUtilChains: false
podLogsDir: $state/pod-logs
enforceNodeAllocatable: []
YAML
  cat >"$state/Corefile" <<DNS
.:53 {
  bind $node_ip
  kubernetes cluster.local {
    kubeconfig $KUBECONFIG millrace
  }
  errors
}
DNS
}
