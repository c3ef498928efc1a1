#!/usr/bin/env bash
# The speed and memory that the project promises, measured: one line a figure, `name value unit goal`.
# Needs what deploy/test.sh needs: Go, PostgreSQL's programs, Java and Maven. Run it on a machine that does nothing else;
# it takes about a quarter of an hour on two cores, most of it for a million changes.
#
#   deploy/bench.sh             all figures
#   deploy/bench.sh NAME…       some of: mapping relay push latency pull reconcile import memory crm report
#
# CRMHUB_BENCH_CHANGES (1000000) says how many changes pass for the memory, CRMHUB_BENCH_ROWS (1000000) how many customers a file has,
# CRMHUB_BENCH_LINKS (1000000) how many links are reconciled,
# CRMHUB_BENCH_CUSTOMERS (1000000) how many customers the CRM; `crm` and `report` are not among all figures, since making their data takes ten
# minutes and more each time. CRMHUB_BENCH_DATABASE names a migrated database that `crm` fills once and keeps instead (package firmtest).
set -euo pipefail
cd "$(dirname "$0")/.."
WORK=${WORK:-$(mktemp -d "${TMPDIR:-/tmp}/crmhub-bench.XXXXXX")}
mkdir -p "$WORK"
export KAFKA_PORT=${KAFKA_PORT:-19292}

# bench PACKAGE BENCHMARK TIMES [FLAG…]: runs a benchmark and keeps its output.
bench() {
  local package=$1 name=$2 times=$3
  shift 3
  if ! go test -run '^$' -bench "$name" -benchtime "$times" -timeout 120m "$package" "$@" >"$WORK/out" 2>&1; then
    cat "$WORK/out" >&2
    exit 1
  fi
}

# figure NAME METRIC UNIT GOAL [LINE]: prints a metric of the last benchmark, of the line that matches LINE.
figure() {
  local value
  value=$(grep "${5:-^Benchmark}" "$WORK/out" | tr '\t' '\n' | awk -v metric="$2" '$2 == metric { print $1; exit }')
  [ -n "$value" ] || { echo "no $2 in:" >&2; cat "$WORK/out" >&2; exit 1; }
  echo "$1 $value $3 $4"
}

mapping() {
  bench ./core/mapping BenchmarkOrder 3s
  for connector in simulator-erp tryton; do
    figure "mapping.$connector" map-us/order us - "/$connector"
    figure "mapping.$connector.floor" decode-us/order us - "/$connector"
    figure "mapping.$connector.ratio" ratio x '<=3' "/$connector"
  done
}

relay() {
  trap 'deploy/kafka.sh wipe "$WORK/kafka"' EXIT
  deploy/kafka.sh start "$WORK/kafka" >"$WORK/kafka.log" 2>&1 || { cat "$WORK/kafka.log" >&2; exit 1; }
  CRMHUB_TEST_KAFKA=127.0.0.1:$KAFKA_PORT bench ./core/outbox BenchmarkRelay 3x
  deploy/kafka.sh wipe "$WORK/kafka"
  trap - EXIT
  figure relay relayed/s changes/s -
  figure relay.floor bare/s changes/s -
  figure relay.ratio ratio x '>=0.5'
}

push() {
  bench ./cmd/crmhub 'BenchmarkPush$' 1x -tags system
  figure push changes/s changes/s '>=4000'
  figure push.first first-changes/s changes/s -
  figure push.floor bare/s changes/s -
  for party in hub postgres kafka bench others idle; do figure "push.cpu.$party" "$party-us/change" us/change -; done
}

latency() {
  bench ./cmd/crmhub 'BenchmarkLatency$' 1x -tags system
  figure latency.p50 p50-ms ms -
  figure latency.p99 p99-ms ms '<50'
  figure latency.p50.from-request request-p50-ms ms -
  figure latency.p99.from-request request-p99-ms ms -
  figure latency.p50.floor bare-p50-ms ms -
  figure latency.p99.floor bare-p99-ms ms -
}

pull() {
  bench ./core/pull BenchmarkPull 2x
  figure pull records/s records/s -
  figure pull.of-copy of-copy x '>=0.2'
}

reconcile() {
  CRMHUB_BENCH_LINKS=${CRMHUB_BENCH_LINKS:-1000000} bench ./core/reconcile BenchmarkReconcile 1x
  figure reconcile links/s links/s -
  figure reconcile.1M s/1M s '<60'
  figure reconcile.highest highest-MiB MiB '<200'
}

import() {
  CRMHUB_BENCH_ROWS=${CRMHUB_BENCH_ROWS:-1000000} bench ./core/transfer BenchmarkImport 1x
  figure import rows/s rows/s -
  figure import.of-copy of-copy x '>=0.25'
  figure import.heap.first-3s early-MiB MiB -
  figure import.heap.highest highest-MiB MiB flat
  CRMHUB_BENCH_ROWS=100000 bench ./core/transfer BenchmarkExport 1x
  figure export.csv csv-s/100k s '<30'
  figure export.xlsx xlsx-s/100k s '<30'
}

crm() {
  bench ./core/api BenchmarkCRM 1x -customers "${CRMHUB_BENCH_CUSTOMERS:-1000000}"
  figure crm.list.p95 list-p95-ms ms '<100'
  figure crm.search.p95 search-p95-ms ms '<150'
  figure crm.page.p95 page-p95-ms ms '<50'
  figure crm.read read/s reads/s -
  figure crm.read.ratio read-ratio x '>=0.4'
  bench ./core/console BenchmarkPages 1x -customers "${CRMHUB_BENCH_CUSTOMERS:-1000000}"
  figure crm.console.p95 page-p95-ms ms '<100'
  figure crm.console.slowest slowest-ms ms '<100'
  figure crm.console.heaviest heaviest-kB kB '<100'
}

# report prints a line a report and grouping.
report() {
  bench ./core/report BenchmarkReports 3x -customers "${CRMHUB_BENCH_CUSTOMERS:-1000000}"
  awk '$1 ~ /^BenchmarkReports\// { sub(/^BenchmarkReports\//, "", $1); sub(/-[0-9]+$/, "", $1); gsub("/", ".", $1); printf "report.%s %.2f s <2\n", $1, $3 / 1e9 }' "$WORK/out"
}

memory() {
  bench ./cmd/crmhub 'BenchmarkMemory$' 1x -tags system
  figure memory.idle idle-MiB MiB '<100'
  figure memory.after-10% after-10%-MiB MiB -
  figure memory.after-50% after-50%-MiB MiB -
  figure memory.after-100% after-100%-MiB MiB flat
  figure memory.highest highest-MiB MiB -
}

for name in "${@:-mapping}"; do
  case $name in
    mapping | relay | push | latency | pull | reconcile | import | memory | crm | report) ;;
    *) sed -n '2,12s/^# \{0,1\}//p' "$0" >&2; exit 2 ;;
  esac
done
if [ $# = 0 ]; then set -- mapping relay push latency pull reconcile import memory; fi
echo "load $(cut -d' ' -f1 /proc/loadavg) processes 0" # of others, before anything is measured
for name in "$@"; do "$name"; done
