#!/usr/bin/env bash
# Every test there is: the linters, the Go tests, then the same code against a real Apache Kafka, a real Tryton and a real Kill Bill.
# On a Debian-like machine it installs what is missing; elsewhere it says what to install.
#
#   deploy/test.sh            everything
#   deploy/test.sh quick      what needs nothing but Go
#   deploy/test.sh fuzz       looks for inputs that break a parser, FUZZTIME (1m) for each, and tries each property with 2,000 cases: for nights.
#                             The inputs found so far are Go tests.
#
# WORK is where servers keep their files while the tests run (default: a folder under the temporary directory).
set -euo pipefail
cd "$(dirname "$0")/.."
WORK=${WORK:-${TMPDIR:-/tmp}/crmhub-test}
mkdir -p "$WORK"
export WORK
started=$SECONDS

step() { printf '\n== %s (%d s)\n' "$*" "$((SECONDS - started))"; }

root() { if [ "$(id -u)" = 0 ]; then "$@"; else sudo "$@"; fi; }

# need PACKAGE COMMAND…: installs the package if the command does not work.
need() {
  local package=$1
  shift
  "$@" >/dev/null 2>&1 && return
  command -v apt-get >/dev/null || { echo "missing: $package (the command '$*' fails)" >&2; exit 1; }
  [ -n "${APT_READY:-}" ] || { root apt-get update -qq >/dev/null; APT_READY=1; }
  root env DEBIAN_FRONTEND=noninteractive apt-get install -y -qq "$package" >/dev/null
}

tool() { go tool -modfile=deploy/tools/go.mod "$@"; }

# lane FUNCTION: each line of what it says behind its name. What it said is kept, and whether it came to its end.
lane() {
  rm -f "$WORK/$1.passed"
  { "$1"; touch "$WORK/$1.passed"; } 2>&1 | tee "$WORK/$1.log" | sed -u "s/^/$1| /"
}

# failure FUNCTION: the few lines of a lane that name what failed, or its last words.
failure() {
  echo "FAILED: $1, in $(sed -n 's/^== //p' "$WORK/$1.log" | tail -1)"
  grep -B1 -A1 -E '^ *--- FAIL|^panic:|DATA RACE|^FAIL.*build failed' "$WORK/$1.log" | grep -v '^--$' | tail -10 | cut -c1-150 | grep . || tail -5 "$WORK/$1.log"
}

# Maven and Kill Bill are done before a better compiler would pay.
export MAVEN_OPTS=${MAVEN_OPTS:--XX:TieredStopAtLevel=1 -XX:+UseSerialGC}

# golangci-lint vets, with every build tag; once is enough.
export GOFLAGS="${GOFLAGS:-} -vet=off"

# What needs nothing but Go.
alone() {
  step "format, lint" # go vet and staticcheck are among the linters, which see every build tag
  unformatted=$(tool gofumpt -l cmd connectors core mappings schemas)
  [ -z "$unformatted" ] || { echo "not formatted: $unformatted"; exit 1; }
  tool golangci-lint run
  go mod tidy -diff
  dead=$(tool deadcode -test ./...)
  [ -z "$dead" ] || { echo "dead code: $dead"; exit 1; }

  step "go test -race ./..."
  go test -race -count=1 -timeout 30m ./...

  step "known vulnerabilities"
  if ! tool govulncheck ./... >"$WORK/vulnerabilities.log" 2>&1; then
    if grep -q 'Vulnerability #' "$WORK/vulnerabilities.log"; then
      cat "$WORK/vulnerabilities.log"
      exit 1
    fi
    echo "NOT CHECKED: the vulnerability database is out of reach from here"
  fi
  step "done"
}

fuzz() {
  grep -rl --include='*_test.go' '^func Fuzz' core connectors cmd | while read -r file; do
    grep -o '^func Fuzz[A-Za-z0-9_]*' "$file" | while read -r _ name; do
      go test -run='^$' -fuzz="^$name\$" -fuzztime="${FUZZTIME:-1m}" -fuzzminimizetime=10x "./$(dirname "$file")"
    done
  done
  grep -rl --include='*_test.go' '"pgregory.net/rapid"' core connectors cmd | xargs -n1 dirname | sort -u | while read -r folder; do
    go test -count=1 -timeout 0 "./$folder" -rapid.checks=2000
  done
}

case "${1:-}" in
  quick) alone; exit ;;
  fuzz) fuzz; exit ;;
esac

# kept LOG COMMAND…: keeps what it says, and says it if it fails.
kept() {
  local log=$1
  shift
  "$@" >"$log" 2>&1 || { cat "$log"; exit 1; }
}

# venv FOLDER PACKAGE…
venv() {
  local folder=$1
  shift
  [ -x "$folder/bin/python" ] || /usr/bin/python3 -m venv "$folder"
  "$folder/bin/pip" install --quiet --disable-pip-version-check "$@"
}

# The whole program, and connectors, with servers that nobody here wrote. They take minutes to get ready the first time.
servers() {
  step "Kafka, Tryton and Kill Bill"
  kept "$WORK/kafka.log" env KAFKA_SECURED=1 deploy/kafka.sh start "$WORK/kafka"
  kept "$WORK/tryton.log" deploy/tryton.sh up "$WORK/tryton"
  deploy/killbill.sh up "$WORK/killbill" >"$WORK/killbill.url" 2>"$WORK/killbill.log" || { cat "$WORK/killbill.url" "$WORK/killbill.log"; exit 1; }
  venv "$WORK/python" confluent-kafka
  venv "$WORK/beancount" beancount==3.2.3 beanquery==0.2.0
  CRMHUB_TEST_KAFKA=$(tail -1 "$WORK/kafka.log")
  CRMHUB_TEST_KAFKA_SECURED=$WORK/kafka
  CRMHUB_TEST_TRYTON=$(tail -1 "$WORK/tryton.log")
  CRMHUB_TEST_KILLBILL=$(tail -1 "$WORK/killbill.url")
  CRMHUB_TEST_PYTHON=$WORK/python/bin/python
  export CRMHUB_TEST_KAFKA CRMHUB_TEST_KAFKA_SECURED CRMHUB_TEST_TRYTON CRMHUB_TEST_KILLBILL CRMHUB_TEST_PYTHON

  step "the Kill Bill connector on a Kill Bill server"
  go test -count=1 -timeout 10m -tags killbill ./connectors/killbill
  deploy/killbill.sh down "$WORK/killbill"

  step "the Tryton connector on a Tryton server"
  go test -count=1 -timeout 10m -tags tryton ./connectors/tryton

  step "the ledger connector's journals in beancount and hledger"
  PATH=$PATH:$WORK/beancount/bin go test -count=1 -timeout 10m -tags ledger ./connectors/ledger

  step "the whole program: crashes, faults, outages, Tryton, topics"
  go test -count=1 -timeout 40m -tags system -skip TheDemosSidesAgree -v ./cmd/crmhub | grep --line-buffered -Ev '^=== '
  deploy/tryton.sh down "$WORK/tryton"

  step "bus, outbox and the connector by topics on Apache Kafka"
  go test -count=1 -timeout 10m ./core/bus/... ./core/outbox/... ./connectors/kafka
  deploy/kafka.sh stop "$WORK/kafka"

  step "the topics' AsyncAPI document"
  npm install --silent --no-audit --no-fund --prefix "$WORK/asyncapi" @asyncapi/parser
  cp deploy/asyncapi.mjs "$WORK/asyncapi"
  go run ./cmd/crmhub asyncapi >"$WORK/asyncapi/topics.json"
  node "$WORK/asyncapi/asyncapi.mjs" "$WORK/asyncapi/topics.json"
  step "done"
}

# The API, judged by its document.
openapi() {
  step "the API against its OpenAPI document"
  deploy/schemathesis.sh "$WORK/schemathesis"
  step "done"
}

# axe-core judges every page; it is fetched for the test and no part of the repository. Pictures of the pages lie in screenshots/.
console() {
  step "the console in Chromium"
  npm install --silent --no-audit --no-fund --prefix "$WORK/axe" axe-core
  CRMHUB_TEST_AXE="$WORK/axe/node_modules/axe-core/axe.min.js" go test -count=1 -timeout 40m -tags browser -run 'AxeFinds|InTheBrowser|FromCustomerToOrder|WhoSeesWhatHeMay|FromUBLFile|FromNewConnection' ./core/console
  step "done"
}

# What goes in by files, and what people type.
files() {
  # Files of others, which are no part of the project: where they are at hand, dirty ones go in, and the official test cases of
  # EN 16931 get the verdicts they state.
  if [ -d "${CRMHUB_TEST_DATA:=../shared/data}" ]; then
    CRMHUB_TEST_DATA=$(cd "$CRMHUB_TEST_DATA" && pwd)
    export CRMHUB_TEST_DATA
    step "import dirty files"
    go test -count=1 -timeout 10m -run GoesIn ./core/transfer
    step "the official cases of EN 16931"
    go test -count=1 -timeout 10m -run OfficialCases -v ./core/einvoice | grep -E '^ |^---|^ok|^FAIL'
  fi

  step "electronic invoices against the official rules"
  deploy/validate-ubl.sh core/einvoice/testdata/*.xml core/paper/testdata/ubl/*.xml

  step "the commands as people type them"
  go test -count=1 -timeout 10m -run TestCommands ./cmd/crmhub
  step "done"
}

step "install what is missing"
need openjdk-17-jre-headless java -version
need maven mvn -version
need python3-venv /usr/bin/python3 -c 'import ensurepip, venv'
need postgresql bash -c 'command -v initdb || ls /usr/lib/postgresql/*/bin/initdb'
need gcc gcc --version # for the race detector
need curl curl --version
need unzip unzip -v
need hledger hledger --version
need openssl openssl version
need chromium chromium --version
need fonts-noto-cjk bash -c 'ls /usr/share/fonts/opentype/noto/NotoSansCJK*'
need npm npm --version

trap 'deploy/killbill.sh down "$WORK/killbill" || true; deploy/tryton.sh down "$WORK/tryton" || true; deploy/kafka.sh stop "$WORK/kafka" || true' EXIT

# Two at a time, for servers are waited for more than they compute; the longest come first. Each is told apart by its name.
lanes="servers alone openapi console files"
running=0
for name in $lanes; do
  [ "$running" -lt 2 ] || { wait -n || true; running=1; }
  lane "$name" & # a function that is waited for in a condition would not end at its first failure
  running=$((running + 1))
done
wait

# What failed is said last, once more, for whoever reads only the end.
for name in $lanes; do
  [ -e "$WORK/$name.passed" ] || { failure "$name" >&2; failed=1; }
done
exit "${failed:-0}"
