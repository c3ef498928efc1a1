#!/usr/bin/env bash
# A real Kill Bill 0.22 (billing: accounts, invoices, payments) for tests: its war from Maven, in Jetty, with its data in memory.
# Needs java 17, mvn, unzip and curl. What it fetches stays in DIR, so the next start takes half a minute.
#
#   deploy/killbill.sh up   DIR   start it with everything in DIR and wait until it answers; the last line is its address.
#                               It is empty but for one tenant
#   deploy/killbill.sh down DIR   end it; what it fetched stays
#
# It listens on a free loopback port. User admin, password password (as shipped), tenant key crmhub, tenant secret
# CRMHUB_TEST_KILLBILL_SECRET (crmhub-test).
set -euo pipefail

usage() {
  sed -n '2,10s/^# \{0,1\}//p' "$0" >&2
  exit 2
}
[ $# -eq 2 ] || usage
action=$1
mkdir -p "$2"
dir=$(cd "$2" && pwd)
secret=${CRMHUB_TEST_KILLBILL_SECRET:-crmhub-test}
exec 3>&1 1>&2 # only the address goes to the caller

version=0.22.20
jetty=9.4.57.v20241219

running() {
  local pid
  pid=$(cat "$dir/pid" 2>/dev/null) && [ -n "$pid" ] && grep -qsF "$dir/" "/proc/$pid/cmdline"
}

maven() { mvn --quiet --batch-mode "$@"; }

# fetch brings the programs. The parent of the war's POM was never published, and is not needed but by Maven itself: an empty
# one stands in for it, in a repository of its own.
fetch() {
  local parent=$dir/parent.xml copy=org.apache.maven.plugins:maven-dependency-plugin:3.6.1:copy
  cat >"$parent" <<XML
<project><modelVersion>4.0.0</modelVersion>
<groupId>org.kill-bill.billing</groupId><artifactId>killbill-profiles</artifactId><version>$version</version><packaging>pom</packaging>
</project>
XML
  maven org.apache.maven.plugins:maven-install-plugin:3.1.1:install-file -Dmaven.repo.local="$dir/m2" -Dfile="$parent" -DpomFile="$parent"
  maven $copy -Dmaven.repo.local="$dir/m2" -Dartifact=org.kill-bill.billing:killbill-profiles-killbill:$version:war -DoutputDirectory="$dir"
  maven $copy -Dartifact=org.eclipse.jetty:jetty-runner:$jetty -DoutputDirectory="$dir"
  rm -rf "$dir/war"
  mkdir "$dir/war"
  unzip -q "$dir/killbill-profiles-killbill-$version.war" -d "$dir/war"
  # It looks for the tables of a module that has none.
  mkdir -p "$dir/war/WEB-INF/classes/org/killbill/billing/server"
  echo 'select 1;' >"$dir/war/WEB-INF/classes/org/killbill/billing/server/ddl.sql"
}

configure() {
  cat >"$dir/killbill.properties" <<PROPERTIES
org.killbill.dao.url=jdbc:h2:mem:killbill;MODE=MYSQL;DB_CLOSE_DELAY=-1;DB_CLOSE_ON_EXIT=FALSE
org.killbill.dao.user=killbill
org.killbill.dao.password=killbill
org.killbill.billing.osgi.dao.url=jdbc:h2:mem:osgi;MODE=MYSQL;DB_CLOSE_DELAY=-1;DB_CLOSE_ON_EXIT=FALSE
org.killbill.billing.osgi.dao.user=killbill
org.killbill.billing.osgi.dao.password=killbill
org.killbill.osgi.bundle.install.dir=$dir/bundles
org.killbill.server.multitenant=true
org.killbill.server.test.mode=false
org.killbill.server.updateCheck.skip=true
org.killbill.security.shiroNbHashIterations=1
org.killbill.notificationq.main.sleep=500
PROPERTIES
  cat >"$dir/logback.xml" <<'XML'
<configuration>
  <appender name="console" class="ch.qos.logback.core.ConsoleAppender"><encoder><pattern>%d %-5level %logger{20} %msg%n</pattern></encoder></appender>
  <root level="WARN"><appender-ref ref="console"/></root>
</configuration>
XML
}

start() {
  local port opens=() package
  port=$(python3 -c 'import socket; s = socket.create_server(("127.0.0.1", 0)); print(s.getsockname()[1])')
  # It was written before modules were closed.
  for package in java.base/{java.lang,java.lang.reflect,java.util,java.util.concurrent,java.net,java.io,java.text,sun.nio.ch} \
    java.base/sun.net.www.{protocol.jar,protocol.file,protocol.http,protocol.https,content.text} jdk.naming.rmi/com.sun.jndi.rmi.registry; do
    opens+=(--add-opens "$package=ALL-UNNAMED")
  done
  cd "$dir"
  TZ=UTC nohup java -XX:TieredStopAtLevel=1 -XX:+UseSerialGC -Xmx1g "${opens[@]}" --add-exports jdk.naming.rmi/com.sun.jndi.rmi.registry=ALL-UNNAMED \
    -Duser.timezone=UTC -Djava.security.egd=file:/dev/./urandom -Dlogback.configurationFile="$dir/logback.xml" \
    -Dorg.killbill.server.properties="file://$dir/killbill.properties" \
    -jar "$dir/jetty-runner-$jetty.jar" --host 127.0.0.1 --port "$port" "$dir/war" >"$dir/log" 2>&1 </dev/null 3>&- &
  echo $! >"$dir/pid"
  echo "http://127.0.0.1:$port" >"$dir/address"
}

# ready waits until it is healthy and has the tenant.
ready() {
  local address
  address=$(cat "$dir/address")
  for _ in $(seq 600); do
    kill -0 "$(cat "$dir/pid")" 2>/dev/null || break # not running: the shell may not have become java yet
    if curl --silent --fail --max-time 10 --output "$dir/answer" "$address/1.0/healthcheck"; then
      curl --silent --show-error --fail --max-time 60 --output "$dir/answer" --user admin:password -H 'X-Killbill-CreatedBy: crmhub' \
        -H 'Content-Type: application/json' "$address/1.0/kb/tenants" -d "{\"apiKey\": \"crmhub\", \"apiSecret\": \"$secret\"}"
      return
    fi
    sleep 0.5
  done
  echo "Kill Bill does not answer; the end of its log:"
  tail -20 "$dir/log"
  return 1
}

up() {
  [ "$(cat "$dir/fetched" 2>/dev/null)" = "$version $jetty" ] || { fetch && echo "$version $jetty" >"$dir/fetched"; }
  if ! running; then
    configure
    start
    ready
  fi
  cat "$dir/address" >&3
}

down() {
  local pid
  running || return 0
  pid=$(cat "$dir/pid")
  kill "$pid"
  for _ in $(seq 300); do
    kill -0 "$pid" 2>/dev/null || break
    sleep 0.1
  done
  rm -f "$dir/pid"
}

case $action in
  up) up ;;
  down) down ;;
  *) usage ;;
esac
