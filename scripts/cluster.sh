#!/usr/bin/env bash
# A real Kubernetes on this machine, with the operator installed, Kafka as a pod and the topics of the
# loan example; says what to type next. Root is needed; `make cluster-down` removes all of it.
#
#   cluster.sh up PROGRAMS | down
set -euo pipefail
cd "$(dirname "$0")/.."
source tests/cluster/env.sh

up() {
  local programs=$1 reason bin address
  reason=$(tests/cluster/node.sh check)
  [[ -z $reason ]] || die "$reason; README.md says how to use a cluster that exists"
  if [[ ! -e $KUBECONFIG ]]; then
    echo "cluster: building what is not built yet, and starting (the first time takes ten minutes and more)"
    tests/cluster/up.sh "$programs"
  fi
  bin=$(tests/cluster/bin.sh)
  echo "cluster: installing the operator"
  tests/cluster/operator.sh install >/dev/null
  address=$("$bin/kubectl" --namespace default get pod kafka-0 -o 'jsonpath={.status.podIP}')
  "$programs/topics" --bootstrap-servers "$address:9094" \
    transactions account-balances loan-requests loan-evaluation-results
  next "$bin"
}

next() {
  cat <<TEXT

The cluster is up, and the operator is ready. In this shell:

  export KUBECONFIG=$KUBECONFIG
  export PATH=$1:\$PATH

The loan evaluation: two StreamApps, a producer of transactions, a REST service.

  kubectl apply -f examples/loan-evaluation -f examples/loan-evaluation/kubernetes
  kubectl get sapp --watch
  kubectl port-forward service/loan-request-api 8004 &
  curl -d '{"account": "001-00101", "amount": 100}' localhost:8004/loans
  kubectl logs deployment/transaction-producer --tail 3

More pods, and what they do:

  kubectl scale streamapp/account-balances --replicas=3
  kubectl get pods
  kubectl describe streamapp account-balances

make cluster-down ends and removes all of it.
TEXT
}

case ${1:-} in
  up) up "$(cd "${2:?folder of the built programs}" && pwd)" ;;
  down) tests/cluster/node.sh down ;;
  *) die "usage: cluster.sh up PROGRAMS | down" ;;
esac
