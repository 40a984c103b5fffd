# Kafka: one node that is broker and controller. Read by scripts/servers.
# shellcheck shell=bash

PORT_kafka=${ACTIVELOG_KAFKA_PORT:-19092}
PORT_kafka_controller=${ACTIVELOG_KAFKA_CONTROLLER_PORT:-19093}

# Any id will do: there is one node.
KAFKA_CLUSTER=YWN0aXZlbG9nLXNlcnZlcg
KAFKA_JVM=(-Xmx512m -XX:+UseSerialGC -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -Djava.awt.headless=true)

kafka_jars() {
  local home jars
  for home in "$HOME_DIR" "$DEFAULT_HOME"; do
    jars=$(ACTIVELOG_SERVERS_HOME=$home "$SCRIPTS/install-kafka" --where)
    [[ -d $jars ]] && { echo "$jars"; return; }
  done
  return 1
}

kafka_is_installed() { command -v java >/dev/null && kafka_jars >/dev/null; }

kafka_install() {
  local missing=()
  command -v java >/dev/null || missing+=(openjdk-17-jre-headless)
  command -v mvn >/dev/null || missing+=(maven)
  ((${#missing[@]} == 0)) || packages "${missing[@]}"
  ACTIVELOG_SERVERS_HOME=$HOME_DIR "$SCRIPTS/install-kafka"
}

kafka_version() { basename "$(kafka_jars)"; }

# A batch is on the disk before it is acknowledged: what `flush.messages` of a topic is where the topic does not say. A single node keeps one replica.
kafka_settings() {
  echo log.flush.interval.messages=1
  echo auto.create.topics.enable=false
  echo group.initial.rebalance.delay.ms=0
  echo offsets.topic.replication.factor=1
  echo transaction.state.log.replication.factor=1
  echo transaction.state.log.min.isr=1
  echo share.coordinator.state.topic.replication.factor=1
  echo share.coordinator.state.topic.min.isr=1
}

kafka_more_ports() { echo kafka_controller; }

kafka_start() {
  local dir jars prefix classpath
  dir=$(folder kafka) jars=$(kafka_jars)
  read -ra prefix <<<"$(prefix_of kafka)"
  # Whom it runs as need not see where they were installed.
  if ! "${prefix[@]}" ls "$jars" >/dev/null 2>&1; then
    rm -rf "$dir/jars"
    cp -r "$jars" "$dir/jars"
    jars=$dir/jars
  fi
  classpath="$jars/*"
  {
    echo process.roles=broker,controller
    echo node.id=1
    echo "controller.quorum.voters=1@127.0.0.1:$PORT_kafka_controller"
    echo controller.listener.names=CONTROLLER
    echo "listeners=PLAINTEXT://127.0.0.1:$PORT_kafka,CONTROLLER://127.0.0.1:$PORT_kafka_controller"
    echo "advertised.listeners=PLAINTEXT://127.0.0.1:$PORT_kafka"
    echo listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT
    echo "log.dirs=$dir/data"
    kafka_settings
  } >"$dir/server.properties"
  if [[ ! -e $dir/data/meta.properties ]]; then
    (cd "$dir" && "${prefix[@]}" java "${KAFKA_JVM[@]}" -cp "$classpath" kafka.tools.StorageTool \
      format -t "$KAFKA_CLUSTER" -c server.properties >>"$dir/log" 2>&1) || fail "kafka: its folder cannot be prepared: see $dir/log"
  fi
  launch kafka "$dir/pid" java "${KAFKA_JVM[@]}" -cp "$classpath" kafka.Kafka server.properties
}

# It answers which protocols it speaks: ApiVersions, version 0, correlation 7, no client id.
kafka_is_ready() {
  # shellcheck disable=SC2016
  timeout 2 bash -c 'exec 9<>"/dev/tcp/127.0.0.1/$1" && printf "\0\0\0\12\0\22\0\0\0\0\0\7\377\377" >&9 && head -c 8 <&9 | od -An -tx1 | grep -q "00 00 00 07$"' \
    kafka "$PORT_kafka" 2>/dev/null
}

kafka_url() { echo "kafka://127.0.0.1:$PORT_kafka"; }
