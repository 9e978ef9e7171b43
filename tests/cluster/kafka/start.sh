#!/bin/bash
# Starts one KRaft node that is broker and controller.
#
#   ADVERTISED   the name that pods reach it by, such as kafka.default.svc.cluster.local
#   POD_IP       the address that the machine under the cluster reaches it by
#   EXTRA        a file of further broker properties (optional)
set -euo pipefail

data=/var/lib/kafka
settings=$data/server.properties
mkdir -p "$data"
cat >"$settings" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:9093
controller.listener.names=CONTROLLER
listeners=PODS://:9092,HOST://:9094,CONTROLLER://127.0.0.1:9093
advertised.listeners=PODS://$ADVERTISED:9092,HOST://$POD_IP:9094
listener.security.protocol.map=PODS:PLAINTEXT,HOST:PLAINTEXT,CONTROLLER:PLAINTEXT
inter.broker.listener.name=HOST
log.dirs=$data/log
num.partitions=3
auto.create.topics.enable=false
offsets.topic.replication.factor=1
offsets.topic.num.partitions=10
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
transaction.state.log.num.partitions=10
share.coordinator.state.topic.replication.factor=1
share.coordinator.state.topic.min.isr=1
group.initial.rebalance.delay.ms=0
PROPERTIES
if [[ -n ${EXTRA:-} ]]; then
  cat "$EXTRA" >>"$settings"
fi
java() {
  command java -Xmx128m -cp '/opt/kafka/lib/*' "$@"
}
[[ -e $data/log/meta.properties ]] ||
  java kafka.tools.StorageTool format -t MkU3OEVBNTcwNTJENDM2Qg -c "$settings"
exec java -Xms256m -Xmx"${HEAP:-768m}" -XX:+UseSerialGC -cp '/opt/kafka/lib/*' kafka.Kafka "$settings"
