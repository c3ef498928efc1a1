#!/usr/bin/env bash
# A real Apache Kafka for tests: one node that is broker and controller, from its Maven artifacts.
# Needs Java 17 or newer and Maven; the artifacts are fetched once.
#
#   deploy/kafka.sh start DIR   start it with data and logs in DIR and wait until it answers; the last line is host:port
#   deploy/kafka.sh stop  DIR   end it in order
#   deploy/kafka.sh kill9 DIR   end it as a crash would
#   deploy/kafka.sh wipe  DIR   end it and delete DIR
#
# KAFKA_PORT (19092) and the port after it are used; KAFKA_VERSION (4.4.0) says which one; KAFKA_LIB where its jars lie.
# With KAFKA_SECURED=1 it also listens, on the port after those, to who signs in over TLS: user hub (PLAIN, SCRAM), whose
# password lies in DIR/password; DIR/ca.pem signed the certificate, and DIR/secured has the address. Needs openssl.
set -euo pipefail

usage() {
  sed -n '2,12s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[ $# -eq 2 ] || usage
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
port=${KAFKA_PORT:-19092}
version=${KAFKA_VERSION:-4.4.0}
lib=${KAFKA_LIB:-${XDG_CACHE_HOME:-$HOME/.cache}/crmhub/kafka-$version}
address=127.0.0.1:$port

# running prints the broker's process id, if it lives.
running() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) && kill -0 "$pid" 2>/dev/null && echo "$pid"
}

end() {
  local pid
  pid=$(running) || return 0
  kill "-$1" "$pid"
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || { rm -f "$dir/pid"; return 0; }
    sleep 0.1
  done
  echo "Kafka (process $pid) did not end in 30 s" >&2
  return 1
}

fetch() {
  [ -e "$lib/complete" ] && return
  local project
  project=$(mktemp -d)
  # Kafka brings version 1.7 of slf4j, which is mute with a newer binding.
  cat >"$project/pom.xml" <<POM
<project xmlns="http://maven.apache.org/POM/4.0.0">
  <modelVersion>4.0.0</modelVersion>
  <groupId>crmhub</groupId><artifactId>kafka</artifactId><version>1</version><packaging>pom</packaging>
  <dependencies>
    <dependency><groupId>org.apache.kafka</groupId><artifactId>kafka_2.13</artifactId><version>$version</version></dependency>
    <dependency><groupId>org.slf4j</groupId><artifactId>slf4j-simple</artifactId><version>1.7.36</version></dependency>
  </dependencies>
</project>
POM
  mvn -q -B -f "$project/pom.xml" org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies \
    -DincludeScope=runtime -DexcludeArtifactIds=slf4j-reload4j -DoutputDirectory="$lib" >&2
  echo >&2 # Maven sets a terminal's colours back without ending the line, and the address would follow on it
  rm -r "$project"
  touch "$lib/complete"
}

configure() {
  cat >"$dir/server.properties" <<PROPERTIES
process.roles=broker,controller
node.id=1
controller.quorum.voters=1@127.0.0.1:$((port + 1))
controller.listener.names=CONTROLLER
listeners=CLIENT://$address,CONTROLLER://127.0.0.1:$((port + 1))
advertised.listeners=CLIENT://$address
inter.broker.listener.name=CLIENT
listener.security.protocol.map=CLIENT:PLAINTEXT,CONTROLLER:PLAINTEXT
log.dirs=$dir/data
auto.create.topics.enable=false
group.initial.rebalance.delay.ms=0
offsets.topic.replication.factor=1
offsets.topic.num.partitions=4
transaction.state.log.replication.factor=1
transaction.state.log.min.isr=1
PROPERTIES
  [ -z "${KAFKA_SECURED:-}" ] || secure
}

# secure adds the listener, with a certificate for 127.0.0.1 of an authority of its own.
secure() {
  local secured=127.0.0.1:$((port + 2))
  if [ ! -e "$dir/ca.pem" ]; then
    (
      umask 077
      openssl rand -hex 16 >"$dir/password"
      openssl req -x509 -newkey rsa:2048 -nodes -days 30 -subj "/CN=crmhub test" -keyout "$dir/ca.key" -out "$dir/ca.pem"
      openssl req -newkey rsa:2048 -nodes -subj "/CN=127.0.0.1" -keyout "$dir/server.key" -out "$dir/server.csr"
      openssl x509 -req -in "$dir/server.csr" -CA "$dir/ca.pem" -CAkey "$dir/ca.key" -CAcreateserial -days 30 -out "$dir/server.crt" \
        -extfile <(printf 'subjectAltName=IP:127.0.0.1\n')
      cat "$dir/server.key" "$dir/server.crt" >"$dir/server.pem"
    ) 2>"$dir/openssl.log" || { cat "$dir/openssl.log" >&2; exit 1; }
  fi
  sed -i "s|^listeners=.*|&,SECURED://$secured|; s|^advertised.listeners=.*|&,SECURED://$secured|
    s|^listener.security.protocol.map=.*|&,SECURED:SASL_SSL|" "$dir/server.properties"
  cat >>"$dir/server.properties" <<PROPERTIES
sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512
listener.name.secured.plain.sasl.jaas.config=org.apache.kafka.common.security.plain.PlainLoginModule required user_hub="$(cat "$dir/password")";
listener.name.secured.scram-sha-256.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.scram-sha-512.sasl.jaas.config=org.apache.kafka.common.security.scram.ScramLoginModule required;
listener.name.secured.ssl.keystore.type=PEM
listener.name.secured.ssl.keystore.location=$dir/server.pem
PROPERTIES
  echo "$secured" >"$dir/secured"
}

run_tool() { java -XX:TieredStopAtLevel=1 -Dorg.slf4j.simpleLogger.defaultLogLevel=warn -cp "$lib/*" "$@"; }

start() {
  if running >/dev/null; then
    echo "$address"
    return
  fi
  fetch
  configure
  if [ ! -e "$dir/data/meta.properties" ]; then
    local users=()
    if [ -n "${KAFKA_SECURED:-}" ]; then
      users=(--add-scram "SCRAM-SHA-256=[name=hub,password=$(cat "$dir/password")]" --add-scram "SCRAM-SHA-512=[name=hub,password=$(cat "$dir/password")]")
    fi
    run_tool kafka.tools.StorageTool format -c "$dir/server.properties" "${users[@]}" \
      -t "$(run_tool kafka.tools.StorageTool random-uuid)" >"$dir/format.log" 2>&1 || { cat "$dir/format.log" >&2; exit 1; }
  fi
  # In a session of its own, so that it outlives the shell that started it.
  setsid java -Xms256m -Xmx512m -Djava.awt.headless=true -Dorg.slf4j.simpleLogger.defaultLogLevel=info \
    -Dorg.slf4j.simpleLogger.showDateTime=true -cp "$lib/*" kafka.Kafka "$dir/server.properties" \
    >"$dir/server.log" 2>&1 </dev/null &
  echo $! >"$dir/pid"
  for _ in $(seq 600); do
    running >/dev/null || break
    if grep -q 'Kafka Server started' "$dir/server.log"; then
      echo "$address"
      return
    fi
    sleep 0.1
  done
  echo "Kafka did not start; the end of $dir/server.log:" >&2
  tail -20 "$dir/server.log" >&2
  exit 1
}

case $action in
  start) start ;;
  stop) end TERM ;;
  kill9) end KILL ;;
  wipe) end KILL && rm -rf "$dir" ;;
  *) usage ;;
esac
